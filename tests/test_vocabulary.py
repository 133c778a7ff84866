"""Characters <-> ids."""

import subprocess
import sys

import numpy as np
import pytest

from charrnn.errors import CheckpointError, CorpusError
from charrnn.vocabulary import CHUNK, Vocabulary, count_characters


def test_ids_are_places_in_code_point_order():
    vocabulary = Vocabulary.of(count_characters("banana split\n"))
    assert vocabulary.characters == "".join(sorted(set("banana split\n")))
    assert vocabulary.itos == vocabulary.characters
    assert [vocabulary.stoi[c] for c in vocabulary.characters] == list(range(len(vocabulary)))
    assert "b" in vocabulary and "z" not in vocabulary


def test_the_order_is_the_same_in_every_process(tmp_path):
    code = "from charrnn.vocabulary import *; print(Vocabulary.of(count_characters('zebra éß漢😀')).characters)"
    seen = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": p}
        ).stdout
        for seed, p in (("1", ":".join(sys.path)), ("2", ":".join(sys.path)))
    }
    assert len(seen) == 1


@pytest.mark.parametrize("text", ["hello", "naïve café", "שלום עולם", "😀🏳️‍🌈é", "\ufffd\t\n", "\U0010ffff\x00"])
def test_decode_undoes_encode(text):
    vocabulary = Vocabulary.of(count_characters(text))
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize("size, dtype", [(2, np.uint8), (256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.uint32)])
def test_ids_take_the_smallest_type(size, dtype):
    vocabulary = Vocabulary("".join(chr(0x10000 + i) for i in range(size)))
    assert vocabulary.dtype == dtype
    assert vocabulary.encode(vocabulary.characters).dtype == dtype
    assert vocabulary.encode(vocabulary.characters).tolist() == list(range(size))


def test_counts_cross_chunks():
    text = "ab" * (CHUNK // 2) + "abc"
    assert count_characters(text) == {"a": CHUNK // 2 + 1, "b": CHUNK // 2 + 1, "c": 1}


def test_encode_crosses_chunks_and_names_the_stranger():
    vocabulary = Vocabulary("ab")
    ids = vocabulary.encode("ab" * (CHUNK // 2) + "b")
    assert len(ids) == CHUNK + 1 and ids[-1] == 1 and ids.sum() == CHUNK // 2 + 1
    with pytest.raises(CorpusError, match="'ü'"):
        vocabulary.encode("abü")
    with pytest.raises(CorpusError, match="'😀'"):
        vocabulary.encode("ab😀")


def test_rare_characters_are_not_kept():
    counts = {"a": 5, "b": 2, "c": 1}
    assert Vocabulary.of(counts, 2).characters == "ab"
    with pytest.raises(CorpusError, match="none occurs 6 times"):
        Vocabulary.of(counts, 6)


@pytest.mark.parametrize("characters", ["", "aa"])
def test_a_vocabulary_is_never_empty_or_ambiguous(characters):
    with pytest.raises(CheckpointError):
        Vocabulary(characters)


ENGLISH = Vocabulary.of(count_characters("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n'\"-.,"))


@pytest.mark.parametrize(
    "typed, read",
    [
        ("café", "cafe"),
        ("cafe\u0301", "cafe"),
        ("Ærøskøbing", "AEroskobing"),
        ("straße", "strasse"),
        ("“so”—he said’s", "\"so\"-he said's"),
        ("ﬁn", "fin"),
        ("ｗｉｄｅ", "wide"),
        ("tab\there", "tab here"),
        ("Ⅷ", "VIII"),
        ("漢字 ok 😀", " ok "),
        ("", ""),
    ],
)
def test_a_prime_is_read_as_well_as_it_can_be(typed, read):
    adapted = ENGLISH.adapt(typed)
    assert adapted.text == read
    ENGLISH.encode(adapted.text)
    assert bool(adapted.notice) == (read != typed)


def test_case_is_folded_to_what_the_model_knows():
    assert Vocabulary("abc").adapt("ABC").text == "abc"
    assert Vocabulary("ABC").adapt("abc").text == "ABC"
    assert Vocabulary("abc").adapt("ÀB").text == "ab"


def test_the_notice_names_everything_once():
    adapted = ENGLISH.adapt("éé漢漢é")
    assert adapted.mapped == {"é": "e"} and adapted.dropped == ("漢",)
    assert adapted.notice == "The model never saw some of these characters: read “é” as “e” and left out “漢”."


def test_a_lone_surrogate_in_a_prime_is_left_out():
    adapted = ENGLISH.adapt("a\ud800b")
    assert adapted.text == "ab" and len(adapted.dropped) == 1
