"""bytes -> text -> report -> ids -> training and validation part."""

import codecs
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from charset_normalizer import from_bytes

from .errors import CorpusError
from .settings import CorpusSettings
from .vocabulary import CHUNK, Vocabulary, code_points, count_characters

BOMS = (  # the longer first: a UTF-32 mark begins with the UTF-16 one
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte-order mark"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
CONTROLS = {c: None for c in (*range(9), 11, 12, *range(14, 32), 127)}  # all C0 but tab, line feed, carriage return
ALONE = re.compile("[\0-\u02ff\u3400-\u9fff]")  # characters before which a text may be cut: Latin and Chinese ones, blanks
SHORT = 10_000  # characters below which a model knows its text by heart almost at once
PASSAGE = 32  # characters that make a passage when repeats are counted
SCANNED = 1_000_000  # characters in which repeats are looked for


@dataclass(frozen=True)
class Report:
    """What a person should know of a text before a model is trained on it."""

    name: str
    characters: int
    distinct: int
    lines: int
    training: int
    validation: int
    rarest: tuple[tuple[str, int], ...]
    preview: str
    notes: tuple[str, ...]  # what was assumed or changed, the encoding first
    warnings: tuple[str, ...]  # what to expect, in plain words


@dataclass(frozen=True)
class Corpus:
    """A cleaned text with its vocabulary. Build one with `read`, `from_text` or `bundled`."""

    name: str
    text: str
    settings: CorpusSettings
    vocabulary: Vocabulary
    counts: dict[str, int]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, sources: Iterable[Path | str], settings: CorpusSettings = CorpusSettings()) -> "Corpus":
        """One or several plain-text files, in order. Raises CorpusError on what is not text."""

        def named() -> Iterator[tuple[str, bytes]]:
            for source in map(Path, sources):
                try:
                    yield source.name, source.read_bytes()
                except OSError as error:
                    raise CorpusError(
                        f"Reading {source}", error.strerror or str(error), "Name a plain-text file that exists"
                    ) from None

        return cls.from_bytes(named(), settings)

    @classmethod
    def from_bytes(
        cls, files: Iterable[tuple[str, bytes]], settings: CorpusSettings = CorpusSettings()
    ) -> "Corpus":
        """The files' bytes, each with its name and maybe its own encoding, joined by a line break."""
        decoded = [(name, *decode(name, raw)) for name, raw in files]  # one file's bytes in memory at a time
        if not decoded:
            raise CorpusError("Reading the text", "no file was given", "Choose at least one plain-text file")
        names, texts, encodings = zip(*decoded, strict=True)
        name = Path(names[0]).stem + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        notes = [f"{file}: read as {encoding}." for file, encoding in zip(names, encodings, strict=True)]
        joined = texts[0] if len(texts) == 1 else "\n".join(text.removesuffix("\n") for text in texts) + "\n"
        return cls._clean(name, joined, settings, notes)

    @classmethod
    def from_text(cls, text: str, settings: CorpusSettings = CorpusSettings(), name: str = "pasted text") -> "Corpus":
        """A text that is already characters."""
        return cls._clean(name, text.removeprefix("\ufeff"), settings, [])

    @classmethod
    def bundled(cls, name: str, settings: CorpusSettings = CorpusSettings()) -> "Corpus":
        """One of the texts that come with charrnn, by its name in `bundled_names()`."""
        if name not in bundled_names():
            raise CorpusError(
                "Opening a bundled text", f"there is none called {name!r}", f"Choose one of {', '.join(bundled_names())}"
            )
        return cls.read([bundled_folder() / f"{name}.txt"], settings)

    @classmethod
    def _clean(cls, name: str, text: str, settings: CorpusSettings, notes: list[str]) -> "Corpus":
        """LF line ends, NFC, no control characters or lone surrogates; then what the settings ask for."""
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            notes.append("Windows or old Mac line ends became plain ones.")
        original, counts = text, count_characters(text)
        if removed := sum(n for c, n in counts.items() if ord(c) in CONTROLS):
            text = text.translate(CONTROLS)
            notes.append(f"{removed:,} control characters were removed.")
        if any("\ud800" <= c <= "\udfff" for c in counts):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            notes.append("Broken halves of characters were replaced by \ufffd.")
        if settings.lowercase:
            text = text.lower()
            notes.append("The text was lower-cased.")
        if (composed := compose(text)) is not text:
            text = composed
            notes.append("Accents were joined with their letters (Unicode NFC).")
        if text is not original:
            counts = count_characters(text)
        if not text or text.isspace():
            raise CorpusError(f"Reading {name}", "there is no text in it", "Choose a file with some text")
        vocabulary = Vocabulary.of(counts, settings.min_count)
        if len(vocabulary) < len(counts):
            adapted = vocabulary.adapt(text)
            text, rare = adapted.text, len(counts) - len(vocabulary)
            notes.append(
                f"{rare:,} characters rarer than {settings.min_count} were folded: "
                f"{len(adapted.mapped):,} replaced by a plain form, {len(adapted.dropped):,} left out."
            )
            if not text or text.isspace():
                raise CorpusError(
                    f"Reading {name}",
                    f"nothing is left of it without the characters that occur less than {settings.min_count} times",
                    "Lower “Rarest character kept”, or add text",
                )
            counts = count_characters(text)
            vocabulary = Vocabulary.of(counts)
        if len(vocabulary) < 2:
            raise CorpusError(
                f"Reading {name}",
                f"it has only one distinct character, {vocabulary.characters!r}, and there is nothing to learn from that",
                "Choose a text with at least two different characters",
            )
        return cls(name, text, settings, vocabulary, counts, tuple(notes))

    def __len__(self) -> int:
        return len(self.text)

    @cached_property
    def ids(self) -> np.ndarray:
        """(L,) the ids of all characters, in the smallest type that holds the vocabulary."""
        return self.vocabulary.encode(self.text)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the cleaned text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def report(self) -> Report:
        """Counts, oddities and warnings; about a second for 100 MB."""
        training, validation = (part.stop - part.start for part in split(len(self), self.settings.validation_share))
        rarest = sorted(self.counts.items(), key=lambda item: (item[1], item[0]))[:20]
        return Report(
            name=self.name,
            characters=len(self),
            distinct=len(self.vocabulary),
            lines=self.text.count("\n") + (not self.text.endswith("\n")),
            training=training,
            validation=validation,
            rarest=tuple(rarest),
            preview=self.text[:600],
            notes=self.notes,
            warnings=tuple(self._warnings(validation)),
        )

    def _warnings(self, validation: int) -> Iterable[str]:
        if len(self) < SHORT:
            yield (
                f"This is a short text ({len(self):,} characters). The model will pick up its look and its words, and soon "
                "know passages by heart. 50,000 characters or more give it something to generalise from."
            )
        if validation < 1000:
            yield (
                f"Only {validation:,} characters are left to check the model on, so the validation loss is a rough guess."
            )
        passage, times, share = repeats(self.text)
        if times >= 8 and times * PASSAGE >= 0.005 * min(len(self), SCANNED):
            yield f"The same passage occurs {times:,} times (“{' '.join(passage.split())}”): the model will love it too."
        elif share > 0.3:
            yield f"About {share:.0%} of this text repeats passages that stand elsewhere in it."
        lines = Counter(line for line in self.text[:SCANNED].splitlines() if line.strip())
        again = sum(n > 1 for n in lines.values())
        if len(lines) >= 10 and again > 0.9 * len(lines):
            yield (
                "Nearly every line occurs more than once. Is the text in there twice? "
                "Then the validation loss looks better than the model is."
            )
        rare = sum(n < 3 for n in self.counts.values())
        if rare > 50 and rare > 0.2 * len(self.counts):
            yield (
                f"{rare:,} of the {len(self.counts):,} distinct characters occur only once or twice, too seldom to be "
                "learned. Setting “Rarest character kept” to 3 makes the model smaller and better."
            )


def bundled_folder() -> Path:
    return Path(__file__).parent.parent / "data"


def bundled_names() -> list[str]:
    """The texts that come with charrnn."""
    return sorted(path.stem for path in bundled_folder().glob("*.txt"))


def decode(name: str, raw: bytes) -> tuple[str, str]:
    """The text of a file's bytes and the encoding that was assumed. Raises CorpusError when it is empty or no text."""
    if not raw or raw.isspace():
        raise CorpusError(f"Reading {name}", "the file is empty", "Choose a file with some text")
    for mark, codec, encoding in BOMS:
        if raw.startswith(mark):
            try:
                return raw.decode(codec), encoding
            except UnicodeDecodeError as error:
                raise _undecodable(name, encoding, error) from None
    try:
        text, encoding = raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError as error:
        if _looks_binary(raw):
            raise _binary(name) from None
        guesses = from_bytes(_telling(raw, error.start))
        guess = guesses.best()
        if guess is None:
            raise _undecodable(name, "UTF-8", error) from None
        for other in guesses:
            if other.encoding == "cp1252" and other.chaos <= guess.chaos:
                guess = other  # among equally likely readings, the one that most such files were written in
            elif other.language == "Japanese" and 10 * sum("ぁ" <= c <= "ゖ" for c in str(other)) > len(str(other)):
                guess = other  # so many hiragana are no accident, but charset-normalizer often takes them for Korean
                break
        encoding = guess.encoding.replace("_", "-")
        try:
            text = raw.decode(guess.encoding)
        except UnicodeDecodeError as error:
            raise _undecodable(name, encoding, error) from None
        encoding += " (a guess; save the file as UTF-8 if the preview looks wrong)"
    if _looks_binary(raw):
        raise _binary(name)
    return text, encoding


def _telling(raw: bytes, at: int) -> bytes:
    """Whole lines, about 256 KB of them, from the one that holds byte `at`: what an encoding can be guessed from."""
    start = raw.rfind(b"\n", 0, at) + 1
    end = start + (1 << 18)
    if end >= len(raw):
        return raw[start:]
    last = raw.rfind(b"\n", at + 1, end)
    return raw[start : last + 1 if last > 0 else end]


def _looks_binary(raw: bytes) -> bool:
    """Whether more than one byte in a thousand, and more than three, is a control character that no text has."""
    counts = np.bincount(np.frombuffer(raw[: 1 << 22], dtype=np.uint8), minlength=128)
    controls = sum(int(counts[c]) for c in CONTROLS if c not in (12, 27))
    return controls > 3 and controls * 1000 > min(len(raw), 1 << 22)


def _binary(name: str) -> CorpusError:
    return CorpusError(
        f"Reading {name}",
        "this is a binary file (a picture, a document, an archive?), not plain text",
        "Open it in its program, save it as plain text (.txt) and choose that file",
    )


def _undecodable(name: str, encoding: str, error: UnicodeDecodeError) -> CorpusError:
    return CorpusError(
        f"Reading {name}",
        f"byte {error.start:,} is not valid {encoding}, and no other encoding fits",
        "Save the file as UTF-8 in a text editor and choose it again",
    )


def compose(text: str) -> str:
    """The text in Unicode NFC; the same object when it is in it already. Made piece by piece, since most pieces of a large
    text need no more than a look; they begin with characters that never join with one before them."""
    pieces, start, changed = [], 0, False
    while start < len(text):
        following = ALONE.search(text, start + CHUNK)
        end = following.start() if following else len(text)
        piece = text[start:end]
        if not unicodedata.is_normalized("NFC", piece):
            piece, changed = unicodedata.normalize("NFC", piece), True
        pieces.append(piece)
        start = end
    return "".join(pieces) if changed else text


def split(length: int, share: float, seq_length: int = 1) -> tuple[slice, slice]:
    """The training and the validation part of a text of `length` characters.

    Validation is the last `share` of it. If the rest would not hold one sequence (seq_length + 1 characters), nothing is
    set aside: training takes the whole text, and validation looks at its end once more.
    Raises CorpusError when even the whole text does not hold one sequence.
    """
    if length < seq_length + 1:
        raise CorpusError(
            "Cutting the text into sequences",
            f"it has {length:,} characters, and one sequence takes {seq_length + 1:,}",
            "Add text, or lower the sequence length",
        )
    at = length - max(2, round(length * share))
    if at < seq_length + 1:
        return slice(0, length), slice(max(0, at), length)
    return slice(0, at), slice(at, length)


def repeats(text: str) -> tuple[str, int, float]:
    """The passage of PASSAGE characters that occurs most often, how often, and the share of passages seen before.

    Looks at the first SCANNED characters. Passages are compared by a 64-bit polynomial hash; overlapping occurrences of
    a passage with itself (a line of dashes) do not count, and neither do passages of fewer than six distinct characters or
    more blanks than letters (the indentation of source code).
    """
    points = code_points(text[:SCANNED]).astype(np.uint64)
    count = len(points) - PASSAGE + 1
    if count < 2:
        return "", 0, 0.0
    hashes = np.zeros(count, dtype=np.uint64)
    for i in range(PASSAGE):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + points[i : i + count]
    _, first, times = np.unique(hashes, return_index=True, return_counts=True)
    share = 1 - len(first) / count
    for i in np.argsort(times)[::-1][:200]:
        passage = text[first[i] : first[i] + PASSAGE]
        if times[i] > 1 and len(set(passage)) >= 6 and len("".join(passage.split())) >= PASSAGE // 2:
            return passage, text[:SCANNED].count(passage), share
    return "", 0, share


def read_ids(path: Path, vocabulary: Vocabulary, length: int) -> np.ndarray:
    """(length,) ids of a run's corpus.txt, read in chunks so that the text itself is never whole in memory.

    Raises CorpusError when the file is gone, or does not hold the text that the run was started with.
    """
    ids, at = [], 0
    try:
        with open(path, encoding="utf-8", newline="") as file:
            while chunk := file.read(CHUNK):
                ids.append(vocabulary.encode(chunk))
                at += len(chunk)
    except OSError as error:
        raise CorpusError(
            f"Reading {path}", error.strerror or str(error), "Put the file back, or start a new run with your text"
        ) from None
    except (ValueError, CorpusError):
        at = None
    if at != length:
        raise CorpusError(
            f"Reading {path}", "it is not the text that this run was started with", "Start a new run with your text"
        )
    return np.concatenate(ids)
