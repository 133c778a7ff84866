"""A budget of a training: kept whatever a step costs, with checks and samples that leave nearly all of it to learning."""

import math

import pytest

from charrnn.corpus import Corpus
from charrnn.evaluation import windowed_loss
from charrnn.events import Finished, Sample, Step, Validation

from .test_training import stop_after, through_disk


class Clock:
    """The time as the training reads it. Each look takes a while, so that a step takes three of them, on any machine."""

    def __init__(self, look: float = 0.005):
        self.look, self.now = look, 1000.0

    def monotonic(self) -> float:
        self.now += self.look
        return self.now


@pytest.mark.parametrize("late", [1, 8, 0.2], ids=["steady", "slowed down", "sped up"])
def test_a_budget_in_minutes_is_kept_with_the_rate_annealed_also_when_resumed(
    late, training_on, small, written, tmp_path, monkeypatch
):
    clock = Clock()
    monkeypatch.setattr("charrnn.training.time", clock)
    corpus, settings = Corpus.from_text(written(20_000)), small(minutes=0.1, early_stop=False)
    training = training_on(corpus, settings)
    first = list(training.events(lambda: training.elapsed > 3))
    assert first[-1].reason == "stopped" and first[-1].elapsed == pytest.approx(3, abs=0.1)
    clock.now += 100  # nobody trains
    clock.look *= late
    training = training_on(corpus, settings, snapshot=through_disk(training.snapshot(), tmp_path / "last"))
    events = list(training.events())
    assert events[-1].reason == "budget" and events[-1].elapsed == pytest.approx(6, rel=0.1)
    steps = [event for event in events if isinstance(event, Step)]
    assert 0.5 < steps[0].progress < 0.6 and steps[-1].progress > 0.95
    assert steps[-1].learning_rate < 0.03 * settings.training.learning_rate
    assert isinstance(events[-2], Sample) and isinstance(events[-3], Validation)


def test_samples_come_also_where_checks_are_too_expensive(training_on, small, corpus, monkeypatch):
    clock = Clock()

    def slow(*arguments, **options):
        clock.now += 0.5
        return windowed_loss(*arguments, **options)

    monkeypatch.setattr("charrnn.training.time", clock)
    monkeypatch.setattr("charrnn.training.windowed_loss", slow)
    events = list(training_on(corpus, small(minutes=0.1)).events())
    kinds = [type(event) for event in events]
    assert kinds.count(Validation) == 2 and kinds[-3:] == [Validation, Sample, Finished]
    assert kinds.count(Sample) > 10
    assert events[-1].elapsed == pytest.approx(6, rel=0.1)


def test_a_slow_first_check_does_not_keep_the_next_away(training_on, small, corpus, monkeypatch):
    clock, slow = Clock(), iter([0.08])

    def first_is_slow(*arguments, **options):
        clock.now += next(slow, 0.01)
        return windowed_loss(*arguments, **options)

    monkeypatch.setattr("charrnn.training.time", clock)
    monkeypatch.setattr("charrnn.training.windowed_loss", first_is_slow)
    events = list(training_on(corpus, small(minutes=0.1)).events())
    checked = [event.elapsed for event in events if isinstance(event, Validation)]
    assert sum(at < 0.6 for at in checked) >= 3 and len(checked) > 8
    assert sum(0.08 if at == checked[0] else 0.01 for at in checked) < 0.06 * 6


def test_no_training_ends_early_at_its_end(training_on, small, corpus, tmp_path):
    training = training_on(corpus, small(minutes=1))
    list(training.events(stop_after(3)))
    snapshot = training.snapshot()
    snapshot.meta["best_loss"] = 0.0  # the last check cannot be better
    late = training_on(corpus, small(minutes=1), snapshot=through_disk(snapshot, tmp_path / "last"))
    late.elapsed = 61.0
    events = list(late.events())
    assert events[-1].reason == "budget" and any(isinstance(event, Validation) for event in events)


def test_a_budget_in_minutes_ends_where_more_passes_would_only_be_learned_by_heart(training_on, small, corpus):
    training = training_on(corpus, small(minutes=10, passes=1.5, early_stop=False))
    assert list(training.events())[-1].reason == "passes"
    assert training.step == math.ceil(1.5 * training.batches.steps_per_epoch)


def test_time_used_up_before_counts(training_on, small, corpus, monkeypatch):
    monkeypatch.setattr("charrnn.training.time", Clock())
    training = training_on(corpus, small(minutes=1), elapsed=59.9)
    events = list(training.events())
    assert events[0].elapsed >= 59.9 and events[-1].elapsed == pytest.approx(60, abs=0.2) and 0 < training.step < 10
