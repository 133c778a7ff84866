"""Bytes -> text -> report -> split, on the kinds of files that people have."""

import codecs
import hashlib
import io
import struct
import unicodedata
import zipfile
import zlib

import numpy as np
import pytest

from charrnn.corpus import PASSAGE, Corpus, bundled_names, compose, read_ids, repeats, split
from charrnn.errors import CorpusError
from charrnn.settings import CorpusSettings
from charrnn.vocabulary import CHUNK, Vocabulary

ENGLISH = "The quick brown fox jumps over the lazy dog. Café, naïve, “quoted”.\n"
GERMAN = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\nFalsches Üben von Xylophonmusik quält.\n" * 8
RUSSIAN = "Съешь же ещё этих мягких французских булок да выпей чаю.\nВ чащах юга жил бы цитрус, но фальшивый.\n" * 8
JAPANESE = "いろはにほへと ちりぬるを わかよたれそ つねならむ うゐのおくやま けふこえて。\n吾輩は猫である。名前はまだ無い。\n" * 8
HEBREW = "בראשית ברא אלהים את השמים ואת הארץ.\nوكانت الأرض خربة وخالية.\n"


def one(raw: bytes, **settings) -> Corpus:
    return Corpus.from_bytes([("file.txt", raw)], CorpusSettings(**settings))


# Encodings


@pytest.mark.parametrize(
    "raw, encoding",
    [
        (ENGLISH.encode(), "UTF-8"),
        (codecs.BOM_UTF8 + ENGLISH.encode(), "UTF-8 with a byte-order mark"),
        (codecs.BOM_UTF16_LE + ENGLISH.encode("utf-16-le"), "UTF-16"),
        (codecs.BOM_UTF16_BE + ENGLISH.encode("utf-16-be"), "UTF-16"),
        (codecs.BOM_UTF32_LE + ENGLISH.encode("utf-32-le"), "UTF-32"),
        (codecs.BOM_UTF32_BE + ENGLISH.encode("utf-32-be"), "UTF-32"),
    ],
)
def test_unicode_files_are_read_exactly(raw, encoding):
    corpus = one(raw)
    assert corpus.text == ENGLISH
    assert corpus.notes == (f"file.txt: read as {encoding}.",)


@pytest.mark.parametrize(
    "text, codec",
    [(GERMAN, "latin-1"), (GERMAN, "cp1252"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (JAPANESE, "shift-jis"), (JAPANESE, "euc-jp")],
)
def test_older_encodings_are_recognised_and_said_to_be_a_guess(text, codec):
    corpus = one(text.encode(codec))
    assert corpus.text == text
    assert "a guess" in corpus.notes[0]


@pytest.mark.parametrize("shift", range(4))
def test_an_encoding_is_guessed_from_whole_characters_of_a_long_file(shift):
    text = "a" * shift + "\n" + JAPANESE * 500  # the guess looks at a part, which must not cut a character in half
    assert one(text.encode("shift-jis")).text == text


def test_an_encoding_is_guessed_where_the_file_needs_it():
    text = ENGLISH[:44] * 10_000 + "\n" + GERMAN  # nothing but ASCII in its first 400 KB
    assert one(text.encode("cp1252")).text == text


def test_several_files_keep_their_own_encodings():
    corpus = Corpus.from_bytes(
        [("a.txt", b"first\r\n"), ("b.txt", codecs.BOM_UTF16_LE + "zwölf".encode("utf-16-le")), ("c.txt", GERMAN.encode("cp1252"))]
    )
    assert corpus.text == "first\nzwölf\n" + GERMAN
    assert corpus.name == "a and 2 more"
    assert len([note for note in corpus.notes if "read as" in note]) == 3


# Cleaning


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_line_ends_become_line_feeds(ends):
    corpus = one(f"one{ends}two{ends}{ends}three".encode())
    assert corpus.text == "one\ntwo\n\nthree"
    assert any("line ends" in note for note in corpus.notes) == (ends != "\n")


def test_accents_are_joined_with_their_letters():
    corpus = Corpus.from_text("cafe\u0301 \u1112\u1161\u11ab")
    assert corpus.text == "café 한" and any("NFC" in note for note in corpus.notes)


def test_a_large_text_is_composed_as_a_small_one_is(written):
    plain = written(4 * CHUNK)  # several pieces
    for text in (plain + "e\u0301\n\u0301e\n" + plain, (plain + "e\u0301").replace("\n", " "), "\u1112\u1161\u11ab\n" * (2 * CHUNK)):
        composed = compose(text)
        assert composed == unicodedata.normalize("NFC", text) != text
        assert compose(composed) is composed


def test_control_characters_are_removed_and_counted():
    corpus = one(b"ab\x00cd\x1a" + b"plain text, tab\tand line\n" * 200)
    assert corpus.text.startswith("abcdplain") and "\t" in corpus.text
    assert "2 control characters were removed." in corpus.notes


def test_a_short_text_with_a_stray_control_character_is_still_text():
    assert one(b"two short lines\nfrom an old system\n\x1a").text == "two short lines\nfrom an old system\n"


def test_lone_surrogates_are_replaced_and_pairs_joined():
    corpus = Corpus.from_text("a\ud800b \ud83d\ude00 c\udc00")
    assert corpus.text == "a\ufffdb 😀 c\ufffd"
    assert corpus.vocabulary.decode(corpus.ids) == corpus.text and len(corpus.fingerprint) == 64


@pytest.mark.parametrize("text", ["İstanbul ISPARTA ırmak\n", "ΑΣ ΟΔΥΣΣΕΥΣ\n", "STRASSE ǅ ﬀ\n", "Ω\u2126K\u212a\n"])
def test_lower_casing_leaves_nothing_to_lower(text):
    lowered = Corpus.from_text(text, CorpusSettings(lowercase=True))
    assert lowered.text == lowered.text.lower()
    prime = lowered.vocabulary.adapt(text.lower())
    assert prime.text == lowered.text and prime.notice == ""
    assert Corpus.from_text(lowered.text).text == lowered.text  # it is NFC


def test_rare_characters_fold_to_their_plain_form_or_go():
    corpus = Corpus.from_text("eeee aaaa é “漢 eeee aaaa", CorpusSettings(min_count=2))
    assert corpus.text == "eeee aaaa e  eeee aaaa"
    assert corpus.vocabulary.characters == " ae" and corpus.counts["e"] == 9
    assert "3 characters rarer than 2 were folded: 1 replaced by a plain form, 2 left out." in corpus.notes


def test_what_is_left_after_folding_must_still_be_a_text():
    with pytest.raises(CorpusError):
        Corpus.from_text("abcdefgh", CorpusSettings(min_count=2))
    with pytest.raises(CorpusError):
        Corpus.from_text("a b c d e f g\nh i j k\nl m n", CorpusSettings(min_count=2))


def test_emoji_right_to_left_and_thousands_of_characters():
    text = HEBREW + "😀👩‍👩‍👧‍👦🇩🇪\n" + "".join(chr(0x4E00 + i) for i in range(3000)) + "\n"
    corpus = one(text.encode())
    assert corpus.text == text
    assert corpus.ids.dtype == np.uint16
    assert corpus.vocabulary.decode(corpus.ids) == text
    assert corpus.report().distinct == len(set(text))


def test_the_same_text_has_the_same_fingerprint_however_it_is_stored():
    first, second = one(ENGLISH.encode()), one(codecs.BOM_UTF16_LE + ENGLISH.replace("\n", "\r\n").encode("utf-16-le"))
    assert first.fingerprint == second.fingerprint == hashlib.sha256(ENGLISH.encode()).hexdigest()


# Files that are not text


def png() -> bytes:
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = np.random.default_rng(1).integers(0, 256, (32, 97), dtype=np.uint8).tobytes()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(pixels))


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("document.xml", np.random.default_rng(2).bytes(5000))
    return buffer.getvalue()


@pytest.mark.parametrize("raw", [png(), archive(), b"\x00" * 1000, b"text\x00\x00\x00\x01" * 50, np.random.default_rng(3).bytes(4000)])
def test_binary_files_are_refused_with_advice(raw):
    with pytest.raises(CorpusError, match="file.txt: this is a binary file .* save it as plain text"):
        one(raw)


@pytest.mark.parametrize(
    "raw", [codecs.BOM_UTF16_LE + b"a\x00b", codecs.BOM_UTF8 + b"ab\xff", codecs.BOM_UTF16_LE + b"a\x00\x00\xdca\x00"]
)
def test_a_broken_file_is_refused_with_the_place_where_it_breaks(raw):
    with pytest.raises(CorpusError, match=r"byte \d+ is not valid UTF-(8|16)"):
        one(raw)


@pytest.mark.parametrize("raw", [b"", b" \n\t\r\n ", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\n \n", "\u2003\u2003".encode()])
def test_an_empty_file_is_refused(raw):
    with pytest.raises(CorpusError, match="empty|no text"):
        one(raw)


def test_one_distinct_character_is_refused():
    with pytest.raises(CorpusError, match="only one distinct character, 'a'"):
        one(b"a" * 500)


def test_files_that_cannot_be_opened_are_named(tmp_path):
    with pytest.raises(CorpusError, match="gone.txt: No such file"):
        Corpus.read([tmp_path / "gone.txt"])
    with pytest.raises(CorpusError, match="directory"):
        Corpus.read([tmp_path])
    with pytest.raises(CorpusError, match="no file"):
        Corpus.read([])
    (tmp_path / "good.txt").write_text("good text")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CorpusError, match="empty.txt"):
        Corpus.read([tmp_path / "good.txt", tmp_path / "empty.txt"])
    with pytest.raises(CorpusError, match="none called '../x'"):
        Corpus.bundled("../x")


# The report


def test_the_report_counts_what_is_there():
    report = Corpus.from_text("abba\nabc\nab", name="three lines").report()
    assert (report.name, report.characters, report.distinct, report.lines) == ("three lines", 11, 4, 3)
    assert report.rarest == (("c", 1), ("\n", 2), ("a", 4), ("b", 4))
    assert report.preview == "abba\nabc\nab"
    assert report.training + report.validation == 11
    assert Corpus.from_text("a\nb\n").report().lines == 2


def test_a_normal_text_has_no_warnings(written):
    report = Corpus.from_text(written(60_000)).report()
    assert report.warnings == ()
    assert report.training == 54_000 and report.validation == 6_000


def test_bundled_texts_have_no_warnings():
    assert bundled_names()
    for name in bundled_names():
        assert Corpus.bundled(name).report().warnings == (), name


def warned(text: str, **settings) -> str:
    return "\n".join(Corpus.from_text(text, CorpusSettings(**settings)).report().warnings)


def test_each_warning_comes_when_it_should(written):
    normal = written(60_000)
    assert "short text (9,999 characters)" in warned(written(9_999)) and "short text" not in warned(written(10_000))
    assert "validation loss is a rough guess" in warned(written(9_000)) and "rough guess" not in warned(written(10_000))
    refrain = "and this refrain comes again and again, \n"
    assert "The same passage occurs" in warned(refrain.join(normal[i : i + 1000] for i in range(0, 60_000, 1000)))
    assert "repeats passages" in warned(normal[:30_000] * 2)
    assert "Is the text in there twice?" in warned(normal[:30_000] + "\n" + normal[:30_000] + "\n")
    rare = "".join(chr(0x4E00 + i) for i in range(100))
    assert "occur only once or twice" in warned(normal + rare)
    assert "occur only once or twice" not in warned(normal + rare, min_count=3)


def test_repeats_against_counting(written):
    text = written(3000)
    passage = "0123456789" * 4
    marked = text[:1000] + passage + text[1000:2000] + passage + text[2000:] + passage
    found, times, share = repeats(marked)
    assert found in passage and times == 3
    windows = [marked[i : i + PASSAGE] for i in range(len(marked) - PASSAGE + 1)]
    assert share == pytest.approx(1 - len(set(windows)) / len(windows))
    assert repeats("-" * 500)[:2] == ("", 0)
    assert repeats(f"{'':20}else:\n{'':24}" + ("x" + text[:90] + f"{'':20}else:\n{'':24}") * 3)[0].strip() not in ("", "else:")
    assert repeats("short") == ("", 0, 0.0)


# The split


@pytest.mark.parametrize("length", [100, 1000, 12_345])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_validation_is_the_end_of_the_text(length, share):
    training, validation = split(length, share, 16)
    assert (training.start, training.stop, validation.stop) == (0, validation.start, length)
    assert validation.stop - validation.start == max(2, round(share * length))


def test_a_tiny_text_is_used_for_both():
    assert split(18, 0.1, 16) == (slice(0, 18), slice(16, 18))
    assert split(17, 0.5, 16) == (slice(0, 17), slice(9, 17))
    assert split(2, 0.1) == (slice(0, 2), slice(0, 2))
    with pytest.raises(CorpusError, match="it has 16 characters, and one sequence takes 17"):
        split(16, 0.1, 16)


# A run's text


def test_a_run_reads_back_the_ids_it_was_started_with(tmp_path):
    corpus = Corpus.from_text(HEBREW + "a\u2028b\x85c\n" + ENGLISH * 3)
    path = tmp_path / "corpus.txt"
    path.write_bytes(corpus.text.encode())
    ids = read_ids(path, corpus.vocabulary, len(corpus))
    assert ids.dtype == corpus.ids.dtype and (ids == corpus.ids).all()


@pytest.mark.parametrize("raw", [b"", b"abc", b"abcabcabc", b"abcabz", b"abcab\xff"])
def test_another_text_is_noticed(tmp_path, raw):
    path = tmp_path / "corpus.txt"
    path.write_bytes(raw)
    with pytest.raises(CorpusError, match="not the text that this run was started with"):
        read_ids(path, Vocabulary("abc"), 6)
    with pytest.raises(CorpusError, match="No such file"):
        read_ids(tmp_path / "gone.txt", Vocabulary("abc"), 6)
