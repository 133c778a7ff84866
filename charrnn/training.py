"""Training: an iterator of events. It can be stopped and resumed, and knows neither disk nor page.

    training = Training(settings, vocabulary, training_ids, validation_ids)
    for event in training.events():
        print(event)
    training.best       # the weights with the lowest validation loss

Shapes: N sequences, T steps, V vocabulary. Loss is in nats/char everywhere.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from .batches import batches
from .checkpoint import Checkpoint
from .engine import Engine
from .ensemble import Ensemble
from .errors import SettingsError, TrainingError
from .evaluation import uniform_loss, unigram_loss, windowed_loss
from .events import Event, Failed, Finished, Sample, Started, Step, Validation
from .learner import Learner, below
from .pretrained import transplant
from .sampling import generate, opening
from .settings import SamplingSettings, Settings, TrainingSettings
from .threads import Threads
from .vocabulary import Vocabulary

WARM_UP = 0.02  # share of the budget in which the learning rate rises
VALIDATIONS = 24  # how many there are in a budget, closer together at its start where more changes
VALIDATION_LIMIT = 16_384  # characters looked at in one of them
CHECKING_SHARE = 0.03  # of the time so far that validations may have taken in a budget in minutes, and samples besides,
HEAD_START = 0.015  # with so much of the whole budget on top, since a beginning is where much changes and the first one is slow
SAMPLE_LENGTH = 300
SAMPLE_SEED = 1


@dataclass(frozen=True)
class Snapshot:
    """All that a resumed training needs: tensors by name, and what JSON can hold."""

    tensors: dict[str, np.ndarray]
    meta: dict


@dataclass(frozen=True)
class Effort:
    """How many seconds the last validation or sample took, and all of them together."""

    last: float = 0.0
    total: float = 0.0

    def plus(self, seconds: float) -> "Effort":
        return Effort(seconds, self.total + seconds)


class Training:
    """One training from its first step, or from a snapshot, to the end of its budget."""

    def __init__(
        self,
        settings: Settings,
        vocabulary: Vocabulary,
        training_ids: np.ndarray,
        validation_ids: np.ndarray,
        *,
        snapshot: Snapshot | None = None,
        start: Checkpoint | None = None,
        device: str | None = None,
        elapsed: float = 0.0,
        reason: str = "",
    ):
        """`settings` with every size given (see sizing.fit). `elapsed` seconds of the budget are already used up. The
        weights are random, or those of the model to `start` from, or the snapshot's.

        Raises SettingsError when a size is open, CorpusError when the text does not hold one sequence, TrainingError when
        the snapshot is of another training.
        """
        given = vars(settings.model) | vars(settings.training)
        if still_open := [name for name in SIZES if given[name] is None]:
            raise SettingsError(
                "Starting the training", f"{', '.join(still_open)} are still open", "Pass the settings through sizing.fit"
            )
        self.settings, self.vocabulary, self.reason = settings, vocabulary, reason
        self.training_ids, self.validation_ids = training_ids, validation_ids
        self.device = torch.device(device or best_device())
        self.step, self.elapsed = 0, elapsed
        self.best: dict[str, np.ndarray] | None = None
        self.best_loss, self.best_progress, self.marks_done = math.inf, 0.0, 0
        self.recent, self.loss_sum, self.loss_count = uniform_loss(len(vocabulary)), 0.0, 0
        self._checking = self._sampling = Effort()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.training.seed)
            self.model = Ensemble(settings.model, len(vocabulary)).to(self.device)
            if start is not None:
                self.model.load_weights(transplant(start, vocabulary, settings.model.members, self.model.weights()))
            seeds = torch.randint(2**62, (settings.model.members,)).tolist()
        self.learners = [
            Learner(member, settings.training, batches(training_ids, settings.training, number), seed)
            for number, (member, seed) in enumerate(zip(self.model.members, seeds, strict=True))
        ]
        self.batches = self.learners[0].batches
        if snapshot:
            self._restore(snapshot)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @property
    def total_steps(self) -> int | None:
        """The budget in steps; None for a budget in minutes."""
        budget = self.settings.training
        if budget.steps is not None:
            return budget.steps
        if budget.epochs is not None:
            return max(1, round(budget.epochs * self.batches.steps_per_epoch))
        return None

    @property
    def progress(self) -> float:
        """Share of the budget that is used up. In minutes, the time of a last check and its sample is set aside."""
        if (total := self.total_steps) is not None:
            return self.step / total
        seconds = 60 * self.settings.training.minutes - self._checking.last - self._sampling.last
        return min(1.0, max(self._read, self.elapsed / max(1e-9, seconds)))

    @property
    def _read(self) -> float:
        """Share of the passes through the text that are allowed in a budget in minutes."""
        passes = self.settings.training.passes
        return self.step / (self.batches.steps_per_epoch * passes) if passes else 0.0

    def events(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end of the budget, or until `should_stop()`; a stopped training can go on with `events` again."""
        before, started = self.elapsed, time.monotonic()

        def tick() -> float:
            self.elapsed = before + time.monotonic() - started
            return self.elapsed

        uniform = uniform_loss(len(self.vocabulary))
        unigram = unigram_loss(self.training_ids, self.validation_ids, len(self.vocabulary))
        yield Started(self.step, tick(), self.parameters, str(self.device), uniform, unigram, self.reason)
        marks = validation_marks(self.settings.training)
        threads = Threads(self.settings.training.threads, len(self.learners), fixed=self.total_steps is not None)
        speed, reason = None, "budget"
        while True:
            over = self.progress >= 1
            # Checked before an update and not after it, so that a training resumed between the two is checked as well.
            due = self.step and self.marks_done < len(marks) and self.progress >= marks[self.marks_done]
            check = due and (over or self._affordable(self._checking))
            if check or (due and self._affordable(self._sampling)):
                self.marks_done = sum(mark <= self.progress for mark in marks)
                if check:
                    yield (validation := self._validate(tick))
                    if not math.isfinite(validation.loss):
                        yield Failed(self.step, tick(), self._divergence(validation.loss))
                        return
                yield self._sample(tick)
                if check and not over and self._overfitted():
                    reason = "early"
                    break
            if over:
                if self.total_steps is None and self._read >= 1:
                    reason = "passes"
                break
            if should_stop():
                reason = "stopped"
                break
            at = time.monotonic()
            self.model.threads = threads.number
            loss = self._update()
            self.recent += 0.02 * (loss - self.recent)
            if not math.isfinite(loss) or self.recent > 2 * uniform + 1:
                yield Failed(self.step, tick(), self._divergence(loss))
                return
            self.step += 1
            self.loss_sum, self.loss_count = self.loss_sum + loss, self.loss_count + 1
            seconds = max(1e-9, time.monotonic() - at)
            threads.observe(seconds)
            now = self.batches.batch_size * self.batches.seq_length / seconds
            speed = now if speed is None else speed + 0.1 * (now - speed)
            tick()
            epoch = self.step / self.batches.steps_per_epoch
            yield Step(self.step, self.elapsed, epoch, loss, self.learning_rate, speed, self.progress)
        if self.loss_count and (reason in ("budget", "passes") or self.best_loss == math.inf):  # who stops early has a model, too
            yield self._validate(tick)
            yield self._sample(tick)
        yield Finished(self.step, tick(), reason, self.best_loss if self.best_loss < math.inf else None)

    def _update(self) -> float:
        """One step of every member; returns their mean loss before it."""
        settings = self.settings.training
        self.learning_rate = settings.learning_rate * schedule(settings.schedule, self.progress)
        losses = self.model.side_by_side(lambda learner: learner.update(self.step, self.learning_rate), self.learners)
        return sum(losses) / len(losses)

    def _validate(self, tick: Callable[[], float]) -> Validation:
        at = time.monotonic()
        train_loss = self.loss_sum / max(1, self.loss_count)
        self.loss_sum, self.loss_count = 0.0, 0
        loss = windowed_loss(self.model, self.validation_ids, limit=VALIDATION_LIMIT)
        if best := loss < self.best_loss:
            self.best_loss, self.best_progress, self.best = loss, self.progress, self.model.weights()
        self._checking = self._checking.plus(time.monotonic() - at)
        epoch = self.step / self.batches.steps_per_epoch
        return Validation(self.step, tick(), epoch, loss, train_loss, best)

    def _sample(self, tick: Callable[[], float]) -> Sample:
        at = time.monotonic()
        temperature = self.settings.training.sample_temperature
        settings = SamplingSettings(temperature=temperature, length=SAMPLE_LENGTH, seed=SAMPLE_SEED)
        engine = Engine(self.settings.model, self.model.weights())
        text = "".join(generate(engine, self.vocabulary, "", settings))
        self._sampling = self._sampling.plus(time.monotonic() - at)
        return Sample(self.step, tick(), opening(self.vocabulary), temperature, SAMPLE_SEED, text)

    def _affordable(self, effort: Effort) -> bool:
        """Whether another one leaves nearly all of a budget in minutes to training."""
        if self.total_steps is not None:
            return True
        return effort.total <= CHECKING_SHARE * self.elapsed + HEAD_START * 60 * self.settings.training.minutes

    def _overfitted(self) -> bool:
        """Whether validation has not improved for a quarter of the budget."""
        enough = self.marks_done > VALIDATIONS // 3
        return self.settings.training.early_stop and enough and self.progress - self.best_progress > 0.25

    def _divergence(self, loss: float) -> str:
        rate = self.settings.training.learning_rate
        return str(
            TrainingError(
                f"Training at step {self.step:,}",
                f"the loss {'is no longer a number' if not math.isfinite(loss) else f'rose to {loss:.1f}'}; it diverged",
                f"Try a lower learning rate ({rate / 3:.1g} instead of {rate:g})"
                + ("" if self.settings.training.clip_norm else " or switch gradient clipping on"),
            )
        )

    def snapshot(self) -> Snapshot:
        """All that is needed to go on from here, bit for bit on the CPU."""
        tensors = {
            f"member.{number}.{name}": value
            for number, learner in enumerate(self.learners)
            for name, value in learner.tensors().items()
        }
        meta = {name: getattr(self, name) for name in SNAPSHOT_META}
        return Snapshot(tensors, meta | {"best_loss": self.best_loss if self.best_loss < math.inf else None})

    def _restore(self, snapshot: Snapshot) -> None:
        try:
            for number, learner in enumerate(self.learners):
                learner.restore(below(snapshot.tensors, f"member.{number}."))
            for name in SNAPSHOT_META:
                setattr(self, name, snapshot.meta[name])
            self.best_loss = math.inf if snapshot.meta["best_loss"] is None else snapshot.meta["best_loss"]
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise TrainingError(
                "Resuming the training", f"what was saved belongs to another training ({error})", "Start a new run"
            ) from None


SNAPSHOT_META = ("step", "elapsed", "best_loss", "best_progress", "marks_done", "recent", "loss_sum", "loss_count")
SIZES = ("members", "hidden_size", "embedding_size", "dropout", "recurrent_dropout", "seq_length", "batch_size", "learning_rate")


def best_device() -> str:
    """cuda when there, mps where it works, else cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def schedule(name: str, progress: float) -> float:
    """The factor on the learning rate at this share of the budget: warm-up, then down to zero at its end."""
    if name == "constant":
        return 1.0
    left = (1 - progress) / (1 - WARM_UP)
    down = left if name == "linear" else 0.5 * (1 - math.cos(math.pi * min(1.0, left)))
    return min(1.0, (progress + 1e-3) / WARM_UP, down)


def validation_marks(settings: TrainingSettings) -> list[float]:
    """Shares of the budget at which the model is checked: at the end of each epoch when there are a few dozen."""
    if settings.epochs is not None and settings.epochs == int(settings.epochs) and 8 <= settings.epochs <= 200:
        return [epoch / settings.epochs for epoch in range(1, int(settings.epochs) + 1)]
    return [(k / VALIDATIONS) ** 2 for k in range(1, VALIDATIONS + 1)]
