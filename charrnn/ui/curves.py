"""A line chart as HTML and SVG that grows and shrinks with the page without shrinking its letters. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`; `marks` are values with their labels. `log` spaces by powers of ten."""

    low: float
    high: float
    marks: tuple[tuple[float, str], ...]
    title: str
    log: bool = False

    def percent(self, values) -> np.ndarray:
        """Where values lie between low (0) and high (100); what lies outside is moved to the edge."""
        scale = np.log10 if self.log else np.asarray
        values = np.clip(np.asarray(values, dtype=float), self.low, self.high)
        return 100 * (scale(values) - scale(self.low)) / (scale(self.high) - scale(self.low))


def chart(
    name: str, series: dict[str, tuple[Sequence[float], Sequence[float]]], x: Axis, y: Axis, extra: str = ""
) -> str:
    """Lines of (xs, ys) by name, in the order of their colours and dashes; `extra` is HTML laid over them.

    A line ends where it first falls below the chart. `name` says to those who cannot see it what the chart shows.
    """
    grid = "".join(f'<path class="grid" d="M0 {100 - v:.2f}H100"/>' for v in y.percent([mark for mark, _ in y.marks]))
    lines = "".join(
        f'<polyline class="s{i}" points="{" ".join(_points(x, y, xs, ys))}"/>'
        for i, (xs, ys) in enumerate(series.values())
    )
    ticks = "".join(f'<i class="x" style="left:{x.percent(v):.2f}%">{escape(text)}</i>' for v, text in x.marks)
    ticks += "".join(f'<i class="y" style="bottom:{y.percent(v):.2f}%">{escape(text)}</i>' for v, text in y.marks)
    key = "".join(
        f'<li><svg viewBox="0 0 26 8" aria-hidden="true"><path class="s{i}" d="M0 4H26"/></svg><bdi>{escape(label)}</bdi></li>'
        for i, label in enumerate(series)
    )
    return (
        f'<figure class="chart"><ul class="key">{key}</ul><figcaption>{escape(y.title)}</figcaption>'
        f'<div class="plot"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{escape(name)}">'
        f'{grid}{lines}</svg><div aria-hidden="true">{ticks}</div>{extra}</div><p class="below">{escape(x.title)}</p></figure>'
    )


def _points(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float]) -> list[str]:
    below = np.asarray(ys) < y.low
    end = int(below.argmax()) + 1 if below.any() else len(ys)
    return [f"{a:.2f},{100 - b:.2f}" for a, b in zip(x.percent(xs[:end]), y.percent(ys[:end]))]
