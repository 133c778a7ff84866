"""How many threads there may be, and which number wins."""

import os

import pytest

from charrnn import threads
from charrnn.threads import TRIAL_SECONDS, TRIAL_STEPS, Threads, cores

SEEN = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, SEEN),
        ({"cpu.max": "max 100000\n"}, SEEN),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": f"{SEEN * 200000} 100000\n"}, SEEN),
        ({"cpu.max": "damaged"}, SEEN),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, SEEN),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "50000\n"}, 1),
    ],
)
def test_a_container_has_the_cores_it_was_given(files, expected, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores(tmp_path) == expected


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 4)


@pytest.mark.parametrize(
    ("members", "seconds", "expected"),
    [
        (1, {1: 0.9, 2: 0.5, 4: 0.3}, 4),
        (1, {1: 0.9, 2: 0.5, 4: 0.6}, 2),
        (1, {1: 0.9, 2: 3.0, 4: 9.0}, 1),  # other programs want the cores
        (2, {1: 0.9, 2: 0.5}, 2),  # which is four in all
        (4, {1: 0.9}, 1),
        (8, {1: 0.9}, 1),
    ],
)
def test_the_fastest_number_is_found(members, seconds, expected, four_cores):
    chosen = Threads(None, members, fixed=False)
    for _ in range(2 + TRIAL_STEPS * len(seconds)):
        chosen.observe(seconds[chosen.number])
    assert chosen.number == expected


def test_it_is_tried_again_since_machines_change(four_cores, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(threads.time, "monotonic", lambda: now[0])
    chosen = Threads(None, 1, fixed=False)
    for slow in (1.0, 9.0, 1.0):
        now[0] += TRIAL_SECONDS
        for _ in range(2 + 3 * TRIAL_STEPS):
            chosen.observe({1: 0.9, 2: 0.5 * slow, 4: 0.3 * slow}[chosen.number])
        assert chosen.number == (4 if slow == 1 else 1)


def test_a_step_that_takes_far_too_long_calls_for_another_trial_at_once(four_cores, monkeypatch):
    monkeypatch.setattr(threads.time, "monotonic", lambda: 1.0)
    chosen = Threads(None, 1, fixed=False)
    for seconds, expected in (({1: 0.9, 2: 0.5, 4: 0.3}, 4), ({1: 0.6, 2: 0.5, 4: 1.1}, 4), ({1: 0.9, 2: 2.0, 4: 9.0}, 1)):
        for _ in range(2 + 3 * TRIAL_STEPS):
            chosen.observe(seconds[chosen.number])
        assert chosen.number == expected


def test_a_given_number_stays_and_a_budget_in_steps_takes_one(four_cores):
    for number, fixed, expected in ((3, False, 3), (None, True, 1)):
        chosen = Threads(number, 1, fixed)
        for _ in range(30):
            chosen.observe(1.0)
        assert chosen.number == expected
