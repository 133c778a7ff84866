"""The queue of runs and the processes that train them, one at a time.

Each run trains in a process of its own at lower priority, `python -m charrnn worker`, which is told the run's folder on
its standard input and then needs nobody. One such process waits ready, with torch imported, so that training starts at
once. What is running is known from the runs' folders alone, so a restarted server finds its queue and its trainings again.
"""

import atexit
import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from .errors import CharRNNError, RunError
from .runs import ACTIVE, RESUMABLE, Run, list_runs

POLL_SECONDS = 0.2
STOP_SECONDS = 20.0  # after this a process that was asked to stop is killed


class Jobs:
    """The runs below one folder. All methods may be called from any thread."""

    def __init__(self, root: Path | str, active: int = 1, waiting: int = 20, max_minutes: float = float("inf")):
        """`active` trainings at a time, each for at most `max_minutes`, and at most `waiting` in the queue.

        Queued runs of an earlier server go on.
        """
        self.root, self.active, self.waiting, self.max_minutes = Path(root), active, waiting, max_minutes
        self._lock = threading.RLock()
        queued = [run for run in list_runs(self.root) if run.status.state == "queued"]
        self._queue = [run.name for run in sorted(queued, key=lambda run: run.status.changed)]
        # A training that outlived an earlier server has no Popen here; its lock says when it ends.
        self._running: dict[str, subprocess.Popen | None] = {
            run.name: None for run in list_runs(self.root) if run.status.state == "running"
        }
        self._kill_at: dict[str, float] = {}
        self._spare: subprocess.Popen | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def start(self) -> "Jobs":
        """Begin to work off the queue."""
        self._thread.start()
        atexit.register(self.close)
        return self

    def submit(self, run: Run) -> None:
        """Put a new or resumable run at the end of the queue. Raises RunError when the queue is full."""
        with self._lock:
            # A process that was stopped takes a moment to end after it has said so; the queue waits for that.
            ending = run.name in self._running and run.status.state in RESUMABLE
            if run.name in self._queue or (run.name in self._running and not ending):
                raise RunError(f"Starting {run.name}", "it is already on its way", "Wait until it ends")
            if len(self._queue) >= self.waiting + max(0, self.active - len(self._running)):
                raise RunError(
                    "Starting the training",
                    f"{len(self._queue)} others are waiting already, as many as there may be",
                    "Try again in some minutes",
                )
            run.clear_stop()
            self._kill_at.pop(run.name, None)
            run.set_status("queued")
            self._queue.append(run.name)

    def resume(self, run: Run) -> None:
        """Queue a run that was stopped, interrupted or failed. Raises RunError for any other."""
        if (state := run.status.state) not in RESUMABLE:
            raise RunError(f"Resuming {run.name}", f"it is {state}", "Only a run that was interrupted can go on")
        self.submit(run)

    def stop(self, run: Run) -> None:
        """Take a waiting run out of the queue; ask a running one to save and end, and see to it that it does."""
        with self._lock:
            if run.name in self._queue:
                self._queue.remove(run.name)
                run.set_status("stopped", "It was stopped before its turn came.")
                return
            run.request_stop()
            if run.name in self._running:
                self._kill_at[run.name] = time.monotonic() + STOP_SECONDS

    def delete(self, run: Run) -> None:
        """Remove a run that is not running, waiting or not. Raises RunError while it trains."""
        with self._lock:
            if run.name in self._running and run.status.state in ACTIVE:
                raise RunError(f"Deleting {run.name}", "it is training now", "Stop it first")
            if run.name in self._queue:
                self._queue.remove(run.name)
        run.delete()  # waits for a process that has said that it is over, but has not ended yet

    def before(self, run: Run) -> list[Run] | None:
        """The runs that train or wait before this one; None when it does not wait."""
        with self._lock:
            if run.name not in self._queue:
                return None
            names = [*self._running, *self._queue[: self._queue.index(run.name)]]
            return [Run(self.root / name) for name in names]

    def close(self) -> None:
        """Ask the trainings to save and end, and mark them interrupted, so that they can be resumed."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._spare:
            self._spare.stdin.close()
            self._spare.kill()  # it has no run yet, and might still be importing torch
            self._spare.wait()
        for name in self._running:
            with contextlib.suppress(RunError):  # it has just ended, or the disk is full
                Run(self.root / name).request_stop()
        for name, process in self._running.items():
            if process is not None:
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            run = Run(self.root / name)
            if run.exists and run.status.state == "stopped" and name not in self._kill_at:
                with contextlib.suppress(RunError):
                    run.set_status("interrupted", "The server was shut down.")

    # The thread

    def _loop(self) -> None:
        while not self._closing.wait(POLL_SECONDS):
            # A full disk or a machine out of memory must not end the queue; the next round tries again.
            with self._lock, contextlib.suppress(CharRNNError, OSError):
                self._reap()
                self._spare = self._spare if self._spare and self._spare.poll() is None else _spawn()
                while len(self._running) < self.active and (ready := [n for n in self._queue if n not in self._running]):
                    self._queue.remove(ready[0])
                    self._launch(ready[0])

    def _launch(self, name: str) -> None:
        run = Run(self.root / name)
        if not run.exists:
            return
        process, self._spare = self._spare or _spawn(), None
        try:
            process.stdin.write((str(run.folder.resolve()) + "\n").encode())
            process.stdin.close()
        except OSError:  # the spare died while it waited
            process.wait()
            self._queue.insert(0, name)
            return
        self._running[name] = process

    def _reap(self) -> None:
        """Notice the trainings that ended, and end those that do not heed a stop request."""
        for name, process in list(self._running.items()):
            run = Run(self.root / name)
            over = process.poll() is not None if process else not run.locked
            if not over:
                if time.monotonic() > self._kill_at.get(name, float("inf")):
                    _kill(process.pid if process else run.status.pid)
                elif name not in self._kill_at and self._overdue(run):
                    self.stop(run)
                continue
            if process and run.locked:  # a process that an earlier server started was there first
                self._running[name] = None
                continue
            del self._running[name]
            asked = self._kill_at.pop(name, None) is not None
            if run.exists and name not in self._queue and run.status.state in ("queued", "running", "interrupted"):
                code = process.returncode if process else None
                run.set_status("stopped" if asked else "interrupted", _why(code))

    def _overdue(self, run: Run) -> bool:
        status = run.status
        return status.state == "running" and time.time() - status.changed > 60 * self.max_minutes


def _spawn() -> subprocess.Popen:
    """A process that imports torch and waits for a run; in a session of its own, so that it outlives the server."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", "worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )


def _kill(pid: int | None) -> None:
    if pid:
        try:
            os.kill(pid, 9)
        except OSError:
            pass


def _why(code: int | None) -> str:
    """What to say of a process that ended without saying anything itself."""
    if code == -9:
        return "Its process was killed, most often because memory ran out. A smaller hidden size or batch needs less."
    return "Its process ended unexpectedly."
