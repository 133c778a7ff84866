"""How many processor threads there may be, and how many of them train fastest, found while training.

A small recurrent network gains little from a second thread (1.35 times on two quiet cores), and loses up to ten times its
speed when another program wants that core, because the threads of one product wait for each other. So the number is not
set once but tried out again and again. Members of one model have a thread each in any case; this is about more than that.
"""

import os
import time
from pathlib import Path
from statistics import median

TRIAL_STEPS = 5  # updates that each number of threads is given to show its speed
TRIAL_SECONDS = 15.0  # between two trials
SLOW = 4.0  # times the usual time of a step: the machine has changed, and the next trial does not wait


def cores(control: Path = Path("/sys/fs/cgroup")) -> int:
    """How many cores this process may use. A container often sees all of its host's but is given the time of only a few;
    Linux says how much in the files of its control groups, version 2 or 1, under `control`."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((control / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        if quota not in ("max", "-1"):
            return max(1, min(seen, round(int(quota) / int(period))))
    return seen


class Threads:
    """Call `observe` after each step; `number` is how many threads each member should have in the next."""

    def __init__(self, number: int | None, members: int, fixed: bool):
        """Use `number` threads; when it is None, one if that is to be `fixed`, and else whatever is fastest."""
        most = max(1, cores() // members)
        self.options = [number or 1] if number or fixed else [n for n in (1, 2, 4, 8, 16, 32) if n <= most]
        self.number = self.options[0]
        self._next_trial, self._usual = 0.0, float("inf")
        self._times: dict[int, list[float]] = {}

    def observe(self, seconds: float) -> None:
        """Take note of how long the last step took."""
        now = time.monotonic()
        if len(self.options) < 2 or (not self._times and now < self._next_trial and seconds < SLOW * self._usual):
            return
        if not self._times:  # a trial begins; this step may have begun before it and does not count
            self._times = {n: [] for n in self.options}
        else:
            self._times[self.number].append(seconds)
        best = min((median(times) for times in self._times.values() if len(times) == TRIAL_STEPS), default=seconds)
        for n, times in self._times.items():
            hopeless = len(times) > 1 and min(times) > 1.3 * best
            if len(times) < TRIAL_STEPS and not hopeless:
                self.number = n
                return
        self.number = min(self.options, key=lambda n: median(self._times[n]))
        self._usual = median(self._times[self.number])
        self._times, self._next_trial = {}, now + TRIAL_SECONDS
