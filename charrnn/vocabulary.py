"""Characters <-> ids."""

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import CheckpointError, CorpusError

CODE_POINTS = 0x110000
CHUNK = 1 << 18  # characters looked at in one go: few enough for a processor's own memory


def code_points(text: str) -> np.ndarray:
    """(L,) uint32: the Unicode code point of each of the L characters."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def count_characters(text: str) -> dict[str, int]:
    """How often each character occurs, in code-point order."""
    counts = np.zeros(CODE_POINTS, dtype=np.int64)
    for start in range(0, len(text), CHUNK):
        chunk = np.bincount(code_points(text[start : start + CHUNK]))
        counts[: len(chunk)] += chunk
    return {chr(point): int(counts[point]) for point in np.flatnonzero(counts)}


@dataclass(frozen=True)
class Adapted:
    """A text made readable for a vocabulary: `mapped` says what stands for what, `dropped` what had no stand-in."""

    text: str
    mapped: dict[str, str]
    dropped: tuple[str, ...]

    @property
    def notice(self) -> str:
        """One sentence for the person who typed the text; empty when nothing was changed."""
        parts = []
        if self.mapped:
            parts.append("read " + ", ".join(f"“{a}” as “{b}”" for a, b in self.mapped.items()))
        if self.dropped:
            parts.append("left out " + ", ".join(f"“{c}”" for c in self.dropped))
        return f"The model never saw some of these characters: {' and '.join(parts)}." if parts else ""


@dataclass(frozen=True)
class Vocabulary:
    """The V distinct characters a model knows; a character's id is its place in `characters`."""

    characters: str

    def __post_init__(self):
        if not self.characters or len(set(self.characters)) != len(self.characters):
            raise CheckpointError(
                "Reading a vocabulary",
                "it is empty or names a character twice",
                "Use the config.json that was saved with the model",
            )

    @classmethod
    def of(cls, counts: dict[str, int], min_count: int = 1) -> "Vocabulary":
        """The characters that occur at least `min_count` times, sorted by code point (the same in every process)."""
        kept = "".join(sorted(c for c, n in counts.items() if n >= min_count))
        if not kept:
            raise CorpusError(
                "Collecting the characters of the text",
                f"none occurs {min_count} times",
                "Lower the rare-character limit or add text",
            )
        return cls(kept)

    def __len__(self) -> int:
        return len(self.characters)

    def __contains__(self, character: str) -> bool:
        return character in self.stoi

    @cached_property
    def stoi(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.characters)}

    @property
    def itos(self) -> str:
        return self.characters

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned integer type that holds every id."""
        return np.min_scalar_type(len(self) - 1)

    @cached_property
    def _table(self) -> np.ndarray:
        points = code_points(self.characters)
        table = np.full(int(points.max()) + 2, -1, dtype=np.int32)  # the last entry stands for all beyond
        table[points] = np.arange(len(self))
        return table

    def encode(self, text: str) -> np.ndarray:
        """(L,) ids of the L characters, in `self.dtype`. Raises CorpusError on a character it does not hold."""
        ids = np.empty(len(text), dtype=self.dtype)
        for start in range(0, len(text), CHUNK):
            points = code_points(text[start : start + CHUNK])
            found = self._table[np.minimum(points, len(self._table) - 1)]
            if (found < 0).any():
                stranger = chr(points[int(np.argmax(found < 0))])
                raise CorpusError(
                    "Turning the text into ids",
                    f"the character {stranger!r} is not among the {len(self)} the model knows",
                    "Adapt the text to the vocabulary first",
                )
            ids[start : start + len(found)] = found
        return ids

    def decode(self, ids) -> str:
        """The text of an iterable of ids."""
        return "".join([self.characters[i] for i in ids])

    def adapt(self, text: str) -> Adapted:
        """Replace each unknown character by its other case or its unaccented form, or drop it; see `Adapted`."""
        text = unicodedata.normalize("NFC", text)
        stand_ins = {c: self._stand_in(c) for c in dict.fromkeys(text) if c not in self.stoi}
        if not stand_ins:
            return Adapted(text, {}, ())
        return Adapted(
            text.translate({ord(c): s for c, s in stand_ins.items()}),
            {c: s for c, s in stand_ins.items() if s},
            tuple(c for c, s in stand_ins.items() if not s),
        )

    def _stand_in(self, character: str) -> str:
        """What the model knows that comes nearest: other case, then without accent, then compatible forms; or ''."""
        bare = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
        plain = bare.translate(PLAIN)
        for form in (character, bare, plain):
            for candidate in (form, form.lower(), form.casefold(), form.upper()):
                if candidate and all(c in self.stoi for c in candidate):
                    return candidate
        return ""


# Typographic characters and letters that Unicode does not decompose, with what people type instead.
PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **{"\t": " ", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\u00a0": " "},
        **{"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"},
        **{"ß": "ss", "ı": "i", "þ": "th", "Þ": "Th", "ð": "d", "Ð": "D"},
    }
)
