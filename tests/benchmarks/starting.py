"""What a person waits for: the page after `python app.py`, and the first point on the chart after Train is pressed."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from charrnn.corpus import Corpus
from charrnn.events import Event, Failed, Finished, Step
from charrnn.jobs import Jobs
from charrnn.runs import Run
from charrnn.settings import Settings

from .figures import Figure, at_most
from .texts import made_up

WARM_SECONDS = 12  # for a waiting process to import torch, as it has done by the time someone has chosen a text
LONGEST = 300  # seconds that anything is waited for


def measure() -> Iterator[Figure]:
    yield at_most("python app.py to a page that answers", median(page() for _ in range(3)), "s", 6)
    with tempfile.TemporaryDirectory() as folder, jobs(folder) as queue:
        corpus = Corpus.from_text(made_up(1_000_000))
        seconds, _ = train(queue, corpus, Settings.of("balanced").changed(minutes=0.1))
        yield at_most("Train pressed to the first point on the chart, 1 MB", seconds, "s", 2)


def page() -> float:
    """Seconds until the page answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(root), "CHARRNN_RUNS": folder}
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(root / "app.py"), "--port", str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while time.perf_counter() - started < LONGEST:
                with contextlib.suppress(urllib.error.URLError, OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=LONGEST).read()
                    return time.perf_counter() - started
                time.sleep(0.02)
            raise TimeoutError("the page does not answer")
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def jobs(folder: str | Path) -> Iterator[Jobs]:
    """A queue as the page has one, with a process that waits ready."""
    queue = Jobs(folder).start()
    try:
        time.sleep(WARM_SECONDS)
        yield queue
    finally:
        queue.close()


def train(queue: Jobs, corpus: Corpus, settings: Settings) -> tuple[float, list[tuple[Event, int]]]:
    """Train a run to its end: seconds from the call to its first step on disk, and every event with the process's peak
    memory in bytes as it came (0 where the system does not tell)."""
    started = time.perf_counter()
    run = Run.create(queue.root / f"run{len(list(queue.root.iterdir()))}", corpus, settings)
    queue.submit(run)
    first, seen, offset = None, [], 0
    while time.perf_counter() - started < LONGEST:
        events, offset = run.events(offset)
        seen += [(event, peak_memory(run.status.pid)) for event in events]
        if first is None and any(isinstance(event, Step) for event in events):
            first = time.perf_counter() - started
        if events and isinstance(events[-1], (Finished, Failed)):
            if isinstance(events[-1], Failed):
                raise RuntimeError(events[-1].message)
            return first, seen
        time.sleep(0.02)
    raise TimeoutError("the training does not end")


def peak_memory(pid: int | None) -> int:
    """The most memory, in bytes, that the process has had in use."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return 0
