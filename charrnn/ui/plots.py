"""Events -> data frames for the charts. Pure."""

import numpy as np
import pandas as pd

from ..events import Event, Started, Step, Validation

POINTS = 400  # of a series, at most
TRAINING, VALIDATION, UNIGRAM, UNIFORM = "training", "validation", "letter counts", "blind guess"
COLOURS = {  # told apart by colour-blind eyes, on light and dark ground (Okabe & Ito 2008, and two greys)
    TRAINING: "#E69F00",
    VALIDATION: "#2b8acb",
    UNIGRAM: "#8c8c8c",
    UNIFORM: "#b8b8b8",
}


def loss_frame(events: list[Event]) -> pd.DataFrame:
    """Columns seconds, loss (nats/char), series. All four series are there as soon as anything is."""
    steps = [(event.elapsed, event.loss) for event in events if isinstance(event, Step)]
    checks = [(event.elapsed, event.loss) for event in events if isinstance(event, Validation)]
    started = next((event for event in events if isinstance(event, Started)), None)
    if started is None or not steps:
        return pd.DataFrame({"seconds": [], "loss": [], "series": []})
    end = max(steps[-1][0], 1.0)
    series = {
        TRAINING: thinned(steps),
        VALIDATION: thinned(checks or [(steps[0][0], steps[0][1])]),
        UNIGRAM: [(0.0, started.unigram), (end, started.unigram)],
        UNIFORM: [(0.0, started.uniform), (end, started.uniform)],
    }
    rows = [(x, y, name) for name, points in series.items() for x, y in points]
    return pd.DataFrame(rows, columns=["seconds", "loss", "series"])


def thinned(points: list[tuple[float, float]], most: int = POINTS) -> list[tuple[float, float]]:
    """At most `most` points: the means of equal numbers of neighbours. The last point always stays as it is."""
    if len(points) <= most:
        return points
    groups = np.array_split(np.array(points[:-1]), most - 1)
    return [tuple(group.mean(0)) for group in groups] + [points[-1]]
