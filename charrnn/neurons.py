"""Units of the hidden state that follow something in the text, such as being inside quotes (Karpathy et al. 2015).

Shapes: T characters, U units (of all layers), S shifts.
"""

from dataclasses import dataclass

import numpy as np

LEAST = 4  # characters with a property, and without it, that are needed to say anything
SHIFTS = 40
PAIRED = {"(": ")", "[": "]", "{": "}", "“": "”", "„": "“", "«": "»"}


@dataclass(frozen=True)
class Tracker:
    """The unit that follows a property best.

    `score` is from -1 to 1. 1: the unit is higher at every character with the property than at any without it; -1: always
    lower; 0: no relation. For a number such as the position in a line, 1 is the very same order. `luck` is what the best
    unit reaches (in nine of ten cases) for the same property moved to another place in the text, where it means nothing.
    """

    feature: str
    unit: int
    score: float
    luck: float

    @property
    def convincing(self) -> bool:
        return abs(self.score) > self.luck


def find_trackers(text: str, units: np.ndarray) -> list[Tracker]:
    """For each property that the text shows, the unit of (T, U) activations that follows it best.

    Those that stand out most from luck come first.
    """
    ranks = np.stack([rank(column) for column in units.T])
    generator = np.random.default_rng(0)
    trackers = []
    for name, values in features(text).items():
        common = np.unique(values, return_counts=True)[1].max()
        if len(values) - common < LEAST or (values.max() <= 1 and values.sum() < LEAST):
            continue
        scores = association(ranks, values)
        best = int(np.abs(scores).argmax())
        shifts = generator.integers(len(values) // 4, len(values) - len(values) // 4, SHIFTS)
        by_luck = np.abs([association(ranks, np.roll(values, shift)) for shift in shifts]).max(1)
        trackers.append(Tracker(name, best, float(scores[best]), float(np.quantile(by_luck, 0.9))))
    return sorted(trackers, key=lambda tracker: tracker.luck - abs(tracker.score))


def association(ranks: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(U, T) ranks of activations, (T,) values -> (U,) scores as in `Tracker`.

    It is the covariance of both ranks as a share of the greatest that there could be. For a property that holds or does
    not, that is 2 AUC - 1, the rank-biserial correlation (Cureton 1956).
    """
    deviation = rank(values) - (len(values) + 1) / 2
    return ranks @ deviation / (np.arange(1, len(values) + 1) @ np.sort(deviation))


def rank(values: np.ndarray) -> np.ndarray:
    """(T,) numbers -> (T,) their ranks from 1; equal ones share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def features(text: str) -> dict[str, np.ndarray]:
    """What one may know after each of the T characters: (T,) numbers, or 0 and 1, by name."""
    characters = np.array(list(text))
    letter = np.array([c.isalpha() for c in text])
    before = np.concatenate(([False], letter[:-1]))
    folded = np.char.lower(characters)
    return {
        "inside quotes": inside_quotes(text),
        "inside brackets": inside_pairs(text, "([{"),
        "position in the line": since(characters == "\n"),
        "letters since the word began": np.where(letter, since(~letter), 0),
        "first letter of a word": (letter & ~before).astype(float),
        "a space": (characters == " ").astype(float),
        "a line break": (characters == "\n").astype(float),
        "a capital letter": np.array([c.isupper() for c in text], dtype=float),
        "inside a capitalised word": capitalised(text),
        "a vowel": np.isin(folded, list("aeiouyäöüéèáíóú")).astype(float),
        "a digit": np.array([c.isdigit() for c in text], dtype=float),
        "punctuation": np.isin(characters, list(".,;:!?…")).astype(float),
    }


def since(mark: np.ndarray) -> np.ndarray:
    """(T,) bool -> (T,): how many characters ago the last mark was; 0 at a mark, counted from the text's start before it."""
    places = np.arange(1, len(mark) + 1)
    return (places - np.maximum.accumulate(np.where(mark, places, 0))).astype(float)


def inside_pairs(text: str, openers: str) -> np.ndarray:
    """(T,) 1 from an opening mark until its closing one, nested or not; a blank line closes all."""
    depth, out = [], np.zeros(len(text))
    for i, c in enumerate(text):
        if depth and c == depth[-1]:
            depth.pop()
        elif c in openers:
            depth.append(PAIRED[c])
        elif text[i - 1 : i + 1] == "\n\n":
            depth.clear()
        out[i] = bool(depth)
    return out


def inside_quotes(text: str) -> np.ndarray:
    """(T,) 1 inside typographic or straight double quotes; a blank line closes all."""
    straight, out = False, inside_pairs(text, "“„«")
    for i, c in enumerate(text):
        straight = (straight != (c == '"')) and text[i - 1 : i + 1] != "\n\n"
        out[i] = out[i] or straight
    return out


def capitalised(text: str) -> np.ndarray:
    """(T,) 1 at the letters of words that begin with a capital."""
    out, proper = np.zeros(len(text)), False
    for i, c in enumerate(text):
        starts = c.isalpha() and not (i and text[i - 1].isalpha())
        proper = c.isupper() if starts else proper and c.isalpha()
        out[i] = proper
    return out
