"""A measured figure beside what it is compared with, and how to time things fairly."""

import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch


@dataclass(frozen=True)
class Figure:
    """One row of the table. `ratio` is to what `beside` names; `met` is None where there is no bar."""

    what: str
    value: str
    ratio: str = ""
    bar: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "NOT MET", None: ""}[self.met]


HEAD = Figure("figure", "value", "ratio", "bar")


def at_most(what: str, value: float, unit: str, bar: float, digits: int = 1) -> Figure:
    """A figure that should be small; its ratio is to the bar."""
    return Figure(
        what, f"{value:.{digits}f} {unit}", f"{value / bar:.2f} of the bar", f"at most {bar:g} {unit}", value <= bar
    )


def at_least(what: str, value: str, ratio: float, beside: str, bar: float) -> Figure:
    """A figure that should be so many times what stands beside it."""
    return Figure(what, value, f"{ratio:.2f} x {beside}", f"at least {bar:g} x", ratio >= bar)


def share(what: str, rate: float, product: float, bar: float | None = None) -> Figure:
    """A rate in GFLOP/s as a share of that of matrix products."""
    ratio = rate / product
    text = f"{ratio:.0%} of the product's {product:.0f}"
    return Figure(what, f"{rate:.0f} GFLOP/s", text, "" if bar is None else f"at least {bar:.0%}", bar and ratio >= bar)


def skipped(what: str, why: str) -> Figure:
    """A row for what was not measured."""
    return Figure(what, "not measured", why)


def side_by_side(*calls: Callable, rounds: int = 9) -> list[float]:
    """The median seconds of each call, after two to warm up; they take turns, so that all meet the same machine."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(-2, rounds):
        for call, seconds in zip(calls, times, strict=True):
            started = time.perf_counter()
            call()
            if turn >= 0:
                seconds.append(time.perf_counter() - started)
    return [median(seconds) for seconds in times]


def product() -> Callable:
    """A float32 product of two 1024 x 1024 matrices, the yardstick; PRODUCT_FLOPS operations."""
    a = torch.randn(1024, 1024)
    return lambda: a @ a


PRODUCT_FLOPS = 2 * 1024**3


def table(figures: Iterable[Figure]) -> str:
    """The figures as a table that reads well as text and as Markdown."""
    rows = [(f.what, f.value, f.ratio, f.bar, f.verdict) for f in (HEAD, *figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def machine() -> str:
    """This machine, its date and how busy it is, in one paragraph."""
    name = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        name = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), name)
    load = f" Load at the start: {os.getloadavg()[0]:.2f}." if hasattr(os, "getloadavg") else ""
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}: {os.cpu_count()} cores of {name}, "
        f"{torch.backends.cpu.get_cpu_capability()}, {platform.system()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}.{load}"
    )
