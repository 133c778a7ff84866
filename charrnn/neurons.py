"""Units of the hidden state that follow something in the text, such as being inside quotes (Karpathy et al. 2015).

Shapes: T characters, U units (all layers), F features.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEAST = 4  # characters with and without a property that are needed to say anything
SHIFTS = 40  # comparisons that show what luck alone does
QUOTES = {"“": "”", "„": "“", "«": "»", '"': '"'}
BRACKETS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Tracker:
    """The unit that follows a property best.

    `score` is a rank correlation from -1 to 1: the unit is high (or, below zero, low) where the property holds. `luck` is
    the best that any unit reaches against the same property moved to a wrong place in the text.
    """

    feature: str
    unit: int
    score: float
    luck: float

    @property
    def convincing(self) -> bool:
        return abs(self.score) > self.luck


def find_trackers(text: str, units: np.ndarray) -> list[Tracker]:
    """For every property that the text shows, the unit of (T, U) activations that follows it best; best first."""
    ranks = _standard(rank(units))
    trackers = []
    for name, values in features(text).items():
        if (values.max() == 1 and not LEAST <= values.sum() <= len(values) - LEAST) or values.min() == values.max():
            continue
        scores = ranks.T @ _standard(_scaled(values)) / len(text)
        best = int(np.abs(scores).argmax())
        trackers.append(Tracker(name, best, float(scores[best]), 0.0))
    return trackers
