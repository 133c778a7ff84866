"""Which stretches of a text stand word for word in a corpus, also in one of 100 MB within a second.

The corpus is indexed once: the bytes at every STRIDE-th place, GRAM of them, as a hash. Every stretch of SHORTEST bytes or
more holds one such gram in full (SHORTEST = GRAM + STRIDE - 1), so looking up all grams of the text finds every stretch;
each is then followed to both sides, byte by byte, in the corpus itself. Text is compared in UTF-8 and counted in characters.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import files
from .corpus import bundled_folder
from .errors import CorpusError, RunError

SHORTEST = 20  # characters a stretch must have to count
GRAM = 12
STRIDE = SHORTEST - GRAM + 1
CACHED = 4 << 20  # bytes of corpus from which on the index is kept on disk; smaller ones are indexed in no time
PAIRS = 2_000_000  # places in text and corpus with the same gram that are followed up, at most
CHUNK = 1 << 20  # grams hashed in one go


@dataclass(frozen=True)
class Stretch:
    """Characters `start` to `stop` of the text; in the corpus they begin `place` of the way through (0 to 1)."""

    start: int
    stop: int
    place: float

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Copied:
    """The maximal stretches, longest first, and the share of the text's characters that stand in one.

    `complete` is False when some passage occurs so often in the corpus that not all of its places were followed up; then
    there may be longer stretches.
    """

    stretches: tuple[Stretch, ...]
    share: float
    complete: bool


class CorpusIndex:
    """A corpus file, mapped into memory, and the sorted hashes of its grams, each with its place in its low bits."""

    def __init__(self, path: Path, cache: Path | None = None):
        """Index the UTF-8 file at `path`; with a `cache`, keep the index of a large one there and find it again.

        Raises CorpusError when the file cannot be read.
        """
        try:
            size = path.stat().st_size
            self.bytes = np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
        except OSError as error:
            raise CorpusError(
                f"Reading {path.name}",
                error.strerror or str(error),
                "Put the file back, or start a new run with your text",
            ) from None
        self.places = max(0, (size - GRAM) // STRIDE + 1)
        self.mask = np.uint64((1 << self.places.bit_length()) - 1)
        cache = cache if size >= CACHED else None
        self.grams = self._load(cache) if cache else None
        if self.grams is None:
            self.grams = self._build()
            if cache:
                self._save(cache)

    def find(self, text: str, least: int = SHORTEST) -> Copied:
        """The stretches of `text` of `least` characters or more (SHORTEST at least) that stand in the corpus."""
        if least < SHORTEST:
            raise ValueError(f"stretches of fewer than {SHORTEST} characters are not indexed")
        data = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
        if len(data) < least or not self.places:
            return Copied((), 0.0, True)
        here, there, complete = self._pairs(data)
        starts, stops, there = self._follow(data, *_merge(here, there))
        heads = np.flatnonzero(data & 0xC0 != 0x80)  # the first byte of each character
        firsts = np.searchsorted(heads, starts)
        lasts = np.searchsorted(np.append(heads, len(data)), stops, "right") - 1
        maximal = _maximal(firsts, lasts, least)
        stretches = [Stretch(int(firsts[k]), int(lasts[k]), float(there[k] / len(self.bytes))) for k in maximal]
        covered = np.zeros(len(text), dtype=bool)
        for stretch in stretches:
            covered[stretch.start : stretch.stop] = True
        return Copied(tuple(sorted(stretches, key=lambda s: (-len(s), s.start))), float(covered.mean()), complete)

    def _pairs(self, data: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """(P,), (P,): places in the text and in the corpus with the same gram; and whether these are all there are."""
        keys = _hashes(data, np.arange(len(data) - GRAM + 1)) & ~self.mask
        low = np.searchsorted(self.grams, keys)
        counts = np.searchsorted(self.grams, keys | self.mask, "right") - low
        limit = _limit(counts, PAIRS)
        taken = np.minimum(counts, limit)
        here = np.repeat(np.arange(len(keys)), taken)
        nth = np.arange(len(here)) - np.repeat(np.cumsum(taken) - taken, taken)
        there = (self.grams[low[here] + nth] & self.mask).astype(np.int64) * STRIDE
        same = np.ones(len(here), dtype=bool)
        for word in (0, GRAM - 8):
            same &= _words(data)[here + word] == _words(self.bytes)[there + word]
        return here[same], there[same], bool((counts <= limit).all())

    def _follow(self, data: np.ndarray, starts: np.ndarray, stops: np.ndarray, there: np.ndarray) -> tuple:
        """Lengthen each match (text places `starts` to `stops`, corpus place `there`) to both sides as far as it goes."""
        starts, stops, shift = starts.copy(), stops.copy(), there - starts
        for ends, step in ((starts, -1), (stops, 1)):
            going = np.arange(len(ends))
            while len(going):
                at = ends[going] + (step if step < 0 else 0)
                far = at + shift[going]
                inside = (at >= 0) & (at < len(data)) & (far >= 0) & (far < len(self.bytes))
                going, at, far = going[inside], at[inside], far[inside]
                going = going[data[at] == self.bytes[far]]
                ends[going] += step
        return starts, stops, starts + shift

    def _build(self) -> np.ndarray:
        """(places,) uint64: hash in the high bits, number of the place in the low ones, sorted."""
        grams = np.empty(self.places, dtype=np.uint64)
        for start in range(0, self.places, CHUNK):
            numbers = np.arange(start, min(start + CHUNK, self.places), dtype=np.int64)
            grams[start : start + CHUNK] = (_hashes(self.bytes, numbers * STRIDE) & ~self.mask) | numbers.astype(
                np.uint64
            )
        grams.sort()
        return grams

    def _load(self, cache: Path) -> np.ndarray | None:
        """The index that `_save` left, if it is there and of the right size."""
        try:
            return np.memmap(cache, np.uint64, "r") if cache.stat().st_size == 8 * self.places else None
        except OSError:
            return None

    def _save(self, cache: Path) -> None:
        try:
            files.replace(cache, self.grams.data)
        except RunError:
            pass  # a full disk: the index is built again next time


def corpus_file(own: Path, origin: dict) -> Path | None:
    """The text that a model was trained on: its run's `own`, else the bundled one with the fingerprint in `origin`."""
    if own.is_file():
        return own
    texts: Iterable[Path] = sorted(bundled_folder().glob("*.txt"))
    return next((path for path in texts if hashlib.sha256(path.read_bytes()).hexdigest() == origin.get("sha256")), None)


def _words(data: np.ndarray) -> np.ndarray:
    """(B - 7,) uint64: the eight bytes from each place on, without a copy."""
    return np.lib.stride_tricks.as_strided(data.view(np.ndarray), (len(data) - 7, 8), (1, 1)).view(np.uint64)[:, 0]


def _hashes(data: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(P,) uint64 hash of the GRAM bytes at each place (multiplied and folded; odd constants from the golden ratio)."""
    words = _words(data)
    mixed = words[places] * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed += words[places + (GRAM - 8)]
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0x94D049BB133111EB)
    return mixed


def _limit(counts: np.ndarray, budget: int) -> int:
    """The largest number, at most, to take of each so that together they are no more than the budget (at least 1)."""
    if counts.sum() <= budget:
        return int(counts.max(initial=0))
    low, high = 1, int(counts.max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(counts, middle).sum() <= budget else (low, middle - 1)
    return low


def _merge(here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matching grams that overlap or touch, at the same distance in text and corpus, become one match."""
    order = np.lexsort((here, there - here))
    here, there = here[order], there[order]
    breaks = np.ones(len(here), dtype=bool)
    breaks[1:] = (np.diff(there - here) != 0) | (np.diff(here) > GRAM)
    first = np.flatnonzero(breaks)
    last = np.append(first[1:], len(here)) - 1
    return here[first], here[last] + GRAM if len(here) else here, there[first]


def _maximal(starts: np.ndarray, stops: np.ndarray, least: int) -> list[int]:
    """The numbers of the stretches of `least` or more that lie in no other one; of equal ones, the first."""
    kept, end = [], -1
    for k in np.lexsort((-stops, starts)):
        if stops[k] > end and stops[k] - starts[k] >= least:
            kept.append(int(k))
            end = stops[k]
    return kept
