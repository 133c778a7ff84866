"""One training in one run's folder: settings and text in, events out, everything worth keeping on disk.

Both the command line and the page's background processes train through `train`.
"""

import contextlib
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from .corpus import read_ids, split
from .errors import CharRNNError, RunError
from .events import Event, Failed, Finished, Sample, Saved, Step, Validation
from .pretrained import starting_model
from .runs import Run
from .sizing import fit
from .training import Snapshot, Training

LOG_SECONDS = 0.25  # updates are logged as the mean of so much time, or of a thousandth of the training so far
SAVE_SECONDS = 30.0  # work that a crash may cost


def train(run: Run, should_stop: Callable[[], bool] = lambda: False, elapsed: float = 0.0) -> Iterator[Event]:
    """Start or resume the training of `run`, to its end or until `should_stop()` or a stop request in its folder.

    `elapsed` seconds of a new training's budget are already used up. A fault ends in a Failed event, with the state and
    the best model safe on disk. Raises RunError when another process trains here or the training is already finished.
    """
    with run.lock():
        status = run.status
        if status.state == "finished":
            raise RunError(
                f"Training in {run.folder}", "this training is finished", "Start a new one, or generate from its model"
            )
        if status.state != "queued":  # one that was asked to stop while this process was starting is to stop
            run.clear_stop()
        run.remove_leftovers()
        run.set_status("running", pid=os.getpid())
        recorder = Recorder(run)
        step = 0
        try:
            training = _prepare(run, elapsed)
            run.rewind(training.step)
            step = training.step
            for event in training.events(lambda: run.stop_requested or should_stop()):
                step = event.step
                yield from recorder.record(event, training)
        except Exception as error:
            yield recorder.fail(step, error)
        finally:
            recorder.close()


def _prepare(run: Run, elapsed: float) -> Training:
    """The training of a run, as new or as it was last saved."""
    settings, vocabulary, origin = run.config()
    ids = read_ids(run.corpus_path, vocabulary, origin.get("characters"))
    settings, start = starting_model(settings, vocabulary, ids)
    settings, reason = fit(settings, len(ids), len(vocabulary))
    parts = split(len(ids), settings.corpus.validation_share, settings.training.seq_length)
    last = run.load_last()
    if last is None:  # from here on the chosen sizes are the run's own, so that a resumed run has the same
        run.save_config(settings, vocabulary, origin)
    return Training(
        settings,
        vocabulary,
        ids[parts[0]],
        ids[parts[1]],
        snapshot=None if last is None else Snapshot(*last),
        start=start,
        elapsed=elapsed,
        reason=f"{reason} It goes on from the bundled {settings.training.start} model." if start else reason,
    )


class Recorder:
    """Puts events and weights on disk as they come."""

    def __init__(self, run: Run):
        self.run = run
        self.steps: list[Step] = []
        self.logged, self.saved = -math.inf, time.monotonic()  # the first update is logged at once
        self.board = _board(run.folder / "tensorboard")

    def record(self, event: Event, training: Training) -> Iterator[Event]:
        """Write what `event` stands for; yields it, and Saved when the training can be resumed from here."""
        self._to_board(event)
        if isinstance(event, Step):
            self.steps.append(event)
            if time.monotonic() - self.logged >= max(LOG_SECONDS, event.elapsed / 1000):
                self._log_steps()
        else:
            self._log_steps()
            if isinstance(event, Validation) and event.best:
                self.run.save_best(training.best)
            self.run.append(event)
        yield event
        if isinstance(event, Finished):
            if event.reason == "stopped":
                yield self._save(training)
                self.run.set_status("stopped")
            else:
                self.run.set_status("finished")  # first, so that no crash leaves a run that would start all over
                self.run.drop_last()
        elif isinstance(event, Failed):
            self.run.set_status("failed", event.message)
        elif isinstance(event, Validation) or time.monotonic() - self.saved > SAVE_SECONDS:
            yield self._save(training)

    def _log_steps(self) -> None:
        """One line for the updates since the last: their last, with the mean of their losses."""
        if self.steps:
            mean = sum(step.loss for step in self.steps) / len(self.steps)
            self.run.append(Step(**{**vars(self.steps[-1]), "loss": mean}))
            self.steps, self.logged = [], time.monotonic()

    def _save(self, training: Training) -> Saved:
        snapshot = training.snapshot()
        self.run.save_last(snapshot.tensors, snapshot.meta)
        self.saved = time.monotonic()
        saved = Saved(training.step, training.elapsed)
        self.run.append(saved)
        return saved

    def fail(self, step: int, error: Exception) -> Failed:
        """Turn an error into an event, and write it down as far as the disk still takes it."""
        message = str(error)
        if not isinstance(error, CharRNNError):
            if isinstance(error, MemoryError) or "memory" in message:
                message = str(RunError("Training", "the memory of this machine is used up", "Choose a smaller hidden or batch size"))
            else:
                traceback.print_exc(file=sys.stderr)
                message = str(RunError("Training", f"it ended with an unexpected fault ({error})", "Resume it, or start again"))
        failed = Failed(step, 0.0, message)
        # A full disk may take neither; the run then shows as interrupted.
        with contextlib.suppress(RunError):
            self.run.append(failed)
        with contextlib.suppress(RunError):
            self.run.set_status("failed", message)
        return failed

    def _to_board(self, event: Event) -> None:
        """Show `event` in TensorBoard. A board that cannot be written is given up; the training goes on."""
        if self.board is None:
            return
        try:
            if isinstance(event, Step):
                self.board.add_scalar("loss/train", event.loss, event.step)
                self.board.add_scalar("learning_rate", event.learning_rate, event.step)
            elif isinstance(event, Validation):
                self.board.add_scalar("loss/validation", event.loss, event.step)
            elif isinstance(event, Sample):
                self.board.add_text("sample", event.text, event.step)
        except OSError:
            self.board = None

    def close(self) -> None:
        if self.board is not None:
            with contextlib.suppress(OSError):
                self.board.close()


def _board(folder: Path):
    """A TensorBoard writer, when tensorboard is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    try:
        return SummaryWriter(str(folder))
    except OSError:
        return None
