"""The queue and its processes, with real ones."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from charrnn import jobs as jobs_module
from charrnn.errors import RunError
from charrnn.events import Finished, Validation
from charrnn.jobs import Jobs
from charrnn.runs import Run
from charrnn.worker import train

ROOT = Path(__file__).parent.parent
LONG = {"minutes": 5.0, "passes": 100_000.0, "early_stop": False}  # is stopped by the test

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="reads /proc and sends signals")


def wait_until(what, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def descendants_marked(mark: str) -> list[int]:
    """Living processes that inherited this mark in their environment, whoever their parent is now."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


@pytest.fixture(autouse=True)
def no_process_stays_behind(monkeypatch):
    if not Path("/proc/self/environ").exists():
        yield
        return
    mark = f"MARK={uuid.uuid4().hex}"
    monkeypatch.setenv(*mark.split("="))
    yield
    try:
        wait_until(lambda: not descendants_marked(mark), 15)
    finally:
        for pid in descendants_marked(mark):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def make(root, corpus, small):
    """A function that makes a run of this name below `root`."""
    return lambda name, **changes: Run.create(root / name, corpus, small(**changes), owner="token")


@pytest.fixture
def started(root):
    """A function that starts Jobs below `root`; they are closed at the end of the test."""
    all_jobs = []

    def start(**options) -> Jobs:
        all_jobs.append(Jobs(root, **options).start())
        return all_jobs[-1]

    yield start
    for jobs in all_jobs:
        jobs.close()


def state(run: Run) -> str:
    return run.status.state


def saved(run: Run) -> bool:
    return (run.folder / "last.safetensors").exists()


def test_the_queue(make, started):
    jobs = started(waiting=2)
    first, second, third, fourth = make("first", **LONG), make("second"), make("third"), make("fourth")
    jobs.submit(first)
    wait_until(lambda: state(first) == "running" and saved(first))
    jobs.submit(second)
    jobs.submit(third)
    with pytest.raises(RunError, match="2 others are waiting already"):
        jobs.submit(fourth)
    for run in (first, second):
        with pytest.raises(RunError, match="already on its way"):
            jobs.submit(run)
    assert jobs.before(first) is None and jobs.before(fourth) is None
    assert [run.name for run in jobs.before(second)] == ["first"]
    assert [run.name for run in jobs.before(third)] == ["first", "second"]

    jobs.stop(third)  # while it waits
    assert state(third) == "stopped" and jobs.before(third) is None
    with pytest.raises(RunError, match="not running"):
        jobs.stop(third)
    jobs.submit(fourth)
    with pytest.raises(RunError, match="training now"):
        jobs.delete(first)
    jobs.delete(fourth)  # while it waits
    assert not fourth.folder.exists()
    assert state(second) == "queued"

    jobs.stop(first)  # while it trains
    wait_until(lambda: state(first) == "stopped")
    first.load()
    assert first.status.owner is not None  # still its owner's
    wait_until(lambda: state(second) == "finished")
    with pytest.raises(RunError, match="it is finished"):
        jobs.resume(second)
    with pytest.raises(RunError, match="not running"):
        jobs.stop(second)

    jobs.resume(third)  # one that was stopped before its turn
    wait_until(lambda: state(third) == "finished")
    assert third.status.changed >= second.status.changed
    jobs.delete(first)
    assert not first.folder.exists()


def test_a_killed_worker_is_interrupted_and_resumed_as_if_nothing_had_been(make, started, corpus, small, tmp_path):
    training = dict(steps=600, early_stop=False)
    jobs, run = started(), make("run", **training)
    jobs.submit(run)
    wait_until(lambda: state(run) == "running" and saved(run))
    os.kill(run.status.pid, signal.SIGKILL)
    wait_until(lambda: state(run) == "interrupted")
    wait_until(lambda: "memory ran out" in run.status.message)
    assert state(run) == "interrupted" and run.events()[0][-1].step < 600
    jobs.resume(run)
    wait_until(lambda: state(run) == "finished")
    whole = Run.create(tmp_path / "whole", corpus, small(**training))
    assert isinstance(list(train(whole))[-1], Finished)
    losses = [[event.loss for event in r.events()[0] if isinstance(event, Validation)] for r in (run, whole)]
    assert losses[0] == losses[1]
    assert (run.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()


def test_a_stop_that_comes_while_the_process_starts_is_quick(make, started):
    jobs, run = started(), make("run", **LONG)
    jobs.submit(run)
    wait_until(lambda: jobs.before(run) is None)  # a process has it, and may still be importing torch
    jobs.stop(run)
    wait_until(lambda: state(run) == "stopped", jobs_module.STOP_SECONDS - 5)  # not only when it is killed
    assert run.status.message == ""


def test_a_worker_that_does_not_heed_a_stop_is_killed(make, started, monkeypatch):
    monkeypatch.setattr(jobs_module, "STOP_SECONDS", 0.5)
    jobs, run = started(), make("run", **LONG)
    jobs.submit(run)
    wait_until(lambda: state(run) == "running" and saved(run))
    os.kill(run.status.pid, signal.SIGSTOP)  # it hangs
    jobs.stop(run)
    wait_until(lambda: state(run) == "stopped")
    run.load()


def test_no_training_takes_longer_than_the_host_allows(make, started):
    jobs, run = started(max_minutes=0.01), make("run", **LONG)
    jobs.submit(run)
    wait_until(lambda: state(run) == "stopped")
    assert run.has_model


def test_two_at_a_time_and_a_queue_of_none(make, started):
    jobs = started(active=2, waiting=0)
    runs = [make(name, **LONG) for name in "ab"]
    for run in runs:
        jobs.submit(run)
        wait_until(lambda: state(run) == "running" and saved(run))
    assert [state(run) for run in runs] == ["running", "running"]
    with pytest.raises(RunError, match="waiting already"):
        jobs.submit(make("c"))


def test_a_run_that_fails_does_not_hold_the_queue_and_a_lost_one_is_interrupted(make, started):
    broken, lost = make("broken"), make("lost")
    broken.corpus_path.write_text("something else")
    broken.set_status("stopped")
    lost.set_status("running", pid=2**22 + 1)  # its process went down with the server
    jobs = started()
    assert state(lost) == "interrupted"
    jobs.resume(broken)
    jobs.resume(lost)
    wait_until(lambda: state(lost) == "finished")
    assert state(broken) == "failed" and "not the text" in broken.status.message


def test_close_leaves_runs_that_can_go_on(make, root):
    jobs = Jobs(root).start()
    run, waiting = make("run", **LONG), make("waiting")
    jobs.submit(run)
    wait_until(lambda: state(run) == "running" and saved(run))
    jobs.submit(waiting)
    jobs.close()
    jobs.close()
    assert state(run) == "interrupted" and "shut down" in run.status.message and saved(run) and run.has_model
    assert state(waiting) == "queued"
    assert isinstance(next(train(run)).step, int)  # it can go on
    Jobs(root).close()  # one that was never started


SERVER = """
import sys, time
from charrnn.jobs import Jobs
from charrnn.runs import Run
from pathlib import Path
root = Path(sys.argv[1])
jobs = Jobs(root).start()
for name in ("running", "later", "earlier"):
    jobs.submit(Run(root / name))
print("ready", flush=True)
time.sleep(600)
"""


def test_a_killed_server_loses_nothing(make, root, started):
    running, earlier, later = make("running", **LONG), make("earlier"), make("later")
    for run in (running, earlier, later):
        run.set_status("stopped")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, root], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert server.stdout.readline() == b"ready\n"
    wait_until(lambda: state(running) == "running" and saved(running))
    server.kill()
    server.wait()
    server.stdout.close()
    pid, (_, offset) = running.status.pid, running.events()
    wait_until(lambda: running.events(offset)[0])  # it trains on without a server
    assert state(earlier) == state(later) == "queued"

    jobs = started()
    time.sleep(3 * jobs_module.POLL_SECONDS)
    assert state(running) == "running" and running.status.pid == pid
    # those that wait keep their order: `later` was put in the queue first, though it was made after the other
    assert [run.name for run in jobs.before(earlier)] == ["running", "later"]
    with pytest.raises(RunError, match="already on its way"):
        jobs.submit(running)
    jobs.stop(running)
    wait_until(lambda: state(running) == "stopped")
    wait_until(lambda: state(later) == state(earlier) == "finished")
    assert later.status.changed <= earlier.status.changed


def test_one_process_has_a_run_however_many_are_started(make, started):
    """As when a server is killed between handing out a run and hearing from its process."""
    run = make("run")
    with run.lock():  # as that process does, which has not yet said that it is running
        jobs = started()
        wait_until(lambda: jobs.before(run) is None)
        run.set_status("running", pid=os.getpid())
        wait_until(lambda: jobs._running == {"run": None})  # the second process is gone
        assert state(run) == "running" and run.status.pid == os.getpid()
        with pytest.raises(RunError, match="already on its way"):
            jobs.submit(run)
    wait_until(lambda: not jobs._running)
    assert state(run) == "interrupted"
