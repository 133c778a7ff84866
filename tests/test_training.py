"""The training loop: resumable bit for bit, honest about its end."""

import copy
import json
import math

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import torch

from charrnn.corpus import Corpus
from charrnn.errors import CorpusError, SettingsError, TrainingError
from charrnn.events import Failed, Finished, Sample, Started, Step, Validation
from charrnn.ensemble import Ensemble
from charrnn.evaluation import windowed_loss
from charrnn.settings import Settings, TrainingSettings
from charrnn.training import SIZES, Snapshot, Training, schedule, validation_marks


def through_disk(snapshot: Snapshot, path) -> Snapshot:
    """The snapshot as a later process would read it."""
    path.write_bytes(safetensors.numpy.save(snapshot.tensors, metadata={"training": json.dumps(snapshot.meta)}))
    with safetensors.safe_open(path, "numpy") as file:
        return Snapshot({name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["training"]))


def timeless(events) -> list:
    """What the events say but for the clock, and for how often the training was started or stopped."""
    return [
        {key: value for key, value in vars(event).items() if key not in ("elapsed", "speed")} | {"event": type(event).__name__}
        for event in events
        if not isinstance(event, Started) and not (isinstance(event, Finished) and event.reason == "stopped")
    ]


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def stop_after(steps: int):
    """A `should_stop` that asks for an end after so many updates."""
    left = iter(range(steps))
    return lambda: next(left, None) is None


# Resume


@pytest.mark.parametrize("budget", [{"steps": 13}, {"epochs": 2.5}], ids=["steps", "epochs"])
@pytest.mark.parametrize("batching", ["streams", "windows"])
def test_resume_is_uninterrupted(cell, batching, budget, training_on, small, written, tmp_path):
    corpus = Corpus.from_text(written(230))
    batch = {"streams": 4, "windows": 32}[batching]  # about six updates an epoch
    layers, members = (1, 2) if cell == "handwritten" else (2, 1)
    settings = small(cell=cell, batching=batching, batch_size=batch, dropout=0.4, num_layers=layers, members=members, **budget)
    whole = training_on(corpus, settings)
    expected = list(whole.events())
    assert expected[-1].reason == "budget" and whole.step >= 12

    part = training_on(corpus, settings)
    events = list(part.events(stop_after(5)))
    assert part.step == 5 and events[-1].reason == "stopped"
    for _ in range(2):  # stopped twice
        torch.manual_seed(99)  # others draw from torch's numbers in between
        torch.rand(7)
        part = training_on(corpus, settings, snapshot=through_disk(part.snapshot(), tmp_path / "last.safetensors"))
        events += list(part.events(stop_after(3)))
    assert part.step == 11
    events += list(part.events())  # and goes on in the same process

    assert same(part.snapshot().tensors, whole.snapshot().tensors)
    assert {**part.snapshot().meta, "elapsed": 0} == {**whole.snapshot().meta, "elapsed": 0}
    assert timeless(events) == timeless(expected)


def test_a_snapshot_between_an_update_and_its_check_loses_nothing(training_on, small, corpus):
    expected = list((whole := training_on(corpus, small())).events())
    for stop in range(1, 12):
        events, part = [], training_on(corpus, small())
        for event in part.events():
            events.append(event)
            if isinstance(event, Step) and event.step == stop:
                break
        part = training_on(corpus, small(), snapshot=part.snapshot())
        events += list(part.events())
        assert timeless(events) == timeless(expected), stop
        assert same(part.model.weights(), whole.model.weights())


def test_others_may_draw_random_numbers_while_it_trains(training_on, small, corpus, cell):
    settings = small(cell=cell, dropout=0.4, members=2, num_layers=1 if cell == "handwritten" else 2)
    undisturbed = training_on(corpus, settings)
    expected = timeless(undisturbed.events())
    torch.manual_seed(5)
    alone = torch.rand(4)
    torch.manual_seed(5)
    disturbed, events, drawn = training_on(corpus, settings), [], []
    for event in disturbed.events():
        events.append(event)
        drawn.append(torch.rand(1))
        np.random.rand()
    assert timeless(events) == expected and same(disturbed.model.weights(), undisturbed.model.weights())
    assert torch.equal(torch.cat(drawn)[:4], alone)  # nor does the training disturb them


def test_the_same_seed_gives_the_same_training(training_on, small, corpus):
    first, second, other = (training_on(corpus, small(seed=seed)) for seed in (3, 3, 4))
    events = [timeless(training.events()) for training in (first, second, other)]
    assert events[0] == events[1] != events[2]
    assert same(first.model.weights(), second.model.weights()) and not same(first.model.weights(), other.model.weights())


@pytest.mark.parametrize("change", [{"hidden_size": 13}, {"cell": "gru"}, {"num_layers": 2}, {"members": 2}])
def test_a_snapshot_of_another_training_is_refused(training_on, small, corpus, change):
    training = training_on(corpus, small())
    list(training.events(stop_after(2)))
    with pytest.raises(TrainingError, match="belongs to another training"):
        training_on(corpus, small(**change), snapshot=training.snapshot())


@pytest.mark.parametrize("missing", ["member.0.random", "member.0.model.decoder.bias"])
def test_a_snapshot_with_something_missing_is_refused(training_on, small, corpus, missing):
    training = training_on(corpus, small())
    list(training.events(stop_after(2)))
    snapshot = training.snapshot()
    del snapshot.tensors[missing]
    with pytest.raises(TrainingError):
        training_on(corpus, small(), snapshot=snapshot)
    with pytest.raises(TrainingError):
        training_on(corpus, small(), snapshot=Snapshot(training.snapshot().tensors, {}))


# What it does


def test_one_update_is_truncated_bptt_by_hand(training_on, small, corpus):
    """Losses of the first three steps against a loop written out, with the state carried and detached between chunks."""
    settings = small(cell="lstm", dropout=0.0, schedule="constant", steps=3)
    training = training_on(corpus, settings)
    model = copy.deepcopy(training.model.members[0])
    losses = [event.loss for event in training.events() if isinstance(event, Step)]
    source, state = training.batches, None
    inputs, targets, _ = source.batch(0)
    logits, state = model(torch.from_numpy(inputs), state)
    by_hand = -torch.log_softmax(logits, 2).gather(2, torch.from_numpy(targets)[..., None]).mean()
    assert losses[0] == pytest.approx(by_hand.item(), abs=1e-5)
    assert losses[0] == pytest.approx(math.log(len(corpus.vocabulary)), abs=0.3)  # it knows nothing yet


def test_memory_is_carried_where_it_should_be(training_on, small, corpus, cell):
    """With a learning rate of almost nothing, the loss of later steps is that of the unbroken text."""
    settings = small(cell=cell, dropout=0.0, learning_rate=1e-6, schedule="constant", steps=4, weight_decay=0.0)
    training = training_on(corpus, settings)
    model = copy.deepcopy(training.model.members[0])
    losses = [event.loss for event in training.events() if isinstance(event, Step)]
    state = None
    for step, loss in enumerate(losses):
        inputs, targets, fresh = (torch.from_numpy(a) for a in training.batches.batch(step))
        if state is not None:
            keep = (~fresh)[None, :, None]
            state = tuple(s * keep for s in state) if isinstance(state, tuple) else state * keep
        with torch.no_grad():
            logits, state = model(inputs, state)
        assert loss == pytest.approx(torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item(), abs=1e-3)


def test_windows_forget_and_count_the_mean(training_on, small, corpus):
    training = training_on(corpus, small(batching="windows", dropout=0.0, steps=2))
    list(training.events())
    assert training.learners[0]._memory(np.ones(4, dtype=bool)) is None


def test_it_learns_and_keeps_the_best(training_on, small, written):
    corpus = Corpus.from_text("abcdefgh\n" * 150)
    training = training_on(corpus, small(steps=150, dropout=0.0, hidden_size=16))
    events = list(training.events())
    validations = [event for event in events if isinstance(event, Validation)]
    assert validations[0].loss > 1.5 and training.best_loss < 0.5
    assert training.best_loss == min(event.loss for event in validations) == events[-1].best_loss
    bests = [event.loss for event in validations if event.best]
    assert bests == sorted(bests, reverse=True)
    model = Ensemble(training.settings.model, len(corpus.vocabulary))
    model.load_weights(training.best)
    assert windowed_loss(model, training.validation_ids) == pytest.approx(training.best_loss, abs=1e-6)
    sample = [event for event in events if isinstance(event, Sample)][-1]
    assert "abcdefgh\n" in sample.text and sample.prime == "\n"


def test_events_come_in_order(training_on, small, corpus):
    training = training_on(corpus, small(steps=30))
    events = list(training.events())
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    assert events[0].parameters == sum(w.size for w in training.model.weights().values())
    assert events[0].uniform == pytest.approx(math.log(len(corpus.vocabulary)))
    steps = [event for event in events if isinstance(event, Step)]
    assert [event.step for event in steps] == list(range(1, 31))
    assert [event.progress for event in steps] == pytest.approx([k / 30 for k in range(1, 31)])
    assert steps[-1].epoch == pytest.approx(30 / training.batches.steps_per_epoch)
    assert all(event.speed > 0 for event in steps)
    elapsed = [event.elapsed for event in events]
    assert elapsed == sorted(elapsed)
    # each validation tells the mean of the updates since the one before
    last = 0
    for event in events:
        if isinstance(event, Validation):
            assert event.train_loss == pytest.approx(np.mean([s.loss for s in steps[last : event.step]]))
            last = event.step
    assert last == 30


def test_validation_marks():
    minutes = validation_marks(TrainingSettings())
    assert minutes == sorted(minutes) and minutes[-1] == 1 and len(minutes) == 24
    assert minutes[1] - minutes[0] < minutes[-1] - minutes[-2]
    epochs = validation_marks(TrainingSettings(minutes=None, epochs=50))
    assert epochs == pytest.approx([k / 50 for k in range(1, 51)])


def test_an_average_and_a_text_each_epoch_as_in_the_notebook(training_on, written):
    corpus = Corpus.from_text(written(220), Settings.of("classic").corpus)
    settings = Settings.of("classic", hidden_size=8, embedding_size=4, seq_length=10, epochs=9)
    events = list(training_on(corpus, settings).events())
    for kind in (Validation, Sample):
        assert len([event for event in events if isinstance(event, kind)]) == 9
    assert [event.epoch for event in events if isinstance(event, Validation)] == pytest.approx(range(1, 10))
    assert {event.learning_rate for event in events if isinstance(event, Step)} == {1e-3}


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_schedule(name):
    assert schedule("constant", 0.7) == 1
    rates = [schedule(name, p) for p in np.linspace(0, 1, 101)]
    assert 0 < rates[0] < 0.1 and max(rates) == rates[2] == pytest.approx(1) and rates[-1] == pytest.approx(0, abs=1e-9)
    assert all(a > b for a, b in zip(rates[2:], rates[3:]))


def test_early_stop_ends_what_only_overfits(training_on, small, written):
    corpus = Corpus.from_text(written(400) + "".join(reversed(written(60, seed=9))))
    options = dict(steps=1200, hidden_size=24, dropout=0.0, weight_decay=0.0)
    early = training_on(corpus, small(**options))
    events = list(early.events())
    assert events[-1].reason == "early" and early.step < 1200
    patient = training_on(corpus, small(early_stop=False, **options))
    assert list(patient.events(lambda: patient.step > early.step))[-1].reason == "stopped"


# How it can end badly


def test_divergence_ends_in_words(training_on, small, corpus):
    settings = small(cell="rnn", hidden_size=64, learning_rate=1.0, clip_norm=0.0, schedule="constant", steps=500)
    events = list(training_on(corpus, settings).events())
    assert isinstance(events[-1], Failed)
    assert "diverged" in events[-1].message and "0.3 instead of 1" in events[-1].message and "gradient clipping" in events[-1].message


def poison(training: Training) -> None:
    with torch.no_grad():
        training.model.members[0].decoder.bias[0] = float("nan")


def test_weights_that_are_no_numbers_end_in_words(training_on, small, corpus, cell):
    training = training_on(corpus, small(cell=cell))
    events = []
    for event in training.events():
        events.append(event)
        if isinstance(event, Step) and event.step == 6:
            poison(training)
    assert isinstance(events[-1], Failed) and "no longer a number" in events[-1].message
    assert "lower learning rate" in events[-1].message and "clipping on" not in events[-1].message
    assert training.best is not None and all(np.isfinite(w).all() for w in training.best.values())


def test_a_last_update_that_breaks_the_weights_is_noticed(training_on, small, corpus):
    training = training_on(corpus, small(steps=6))
    events = []
    for event in training.events():
        events.append(event)
        if isinstance(event, Step) and event.step == 6:
            poison(training)
    assert isinstance(events[-1], Failed)
    assert math.isfinite(training.best_loss)


def test_who_stops_at_once_has_a_model_too(training_on, small, corpus):
    training = training_on(corpus, small(steps=100_000))
    events = list(training.events(stop_after(1)))
    assert events[-1].reason == "stopped" and events[-1].best_loss == training.best_loss < math.inf
    assert training.best is not None
    none = list(training_on(corpus, small()).events(lambda: True))
    assert [type(event) for event in none] == [Started, Finished] and none[-1].best_loss is None


def test_a_finished_training_has_nothing_left_to_do(training_on, small, corpus):
    training = training_on(corpus, small())
    list(training.events())
    before = training.model.weights()
    again = list(training.events())
    assert [type(event) for event in again] == [Started, Finished] and same(training.model.weights(), before)


@pytest.mark.parametrize("name", SIZES)
def test_open_sizes_are_refused(small, corpus, name):
    with pytest.raises(SettingsError, match=name):
        Training(small(**{name: None}), corpus.vocabulary, corpus.ids, corpus.ids)


def test_a_text_shorter_than_a_sequence_is_refused(training_on, small):
    with pytest.raises(CorpusError, match="one sequence takes 9"):
        training_on(Corpus.from_text("abcdefgh"), small())
    events = list(training_on(Corpus.from_text("abcdefghi"), small()).events())  # just long enough
    assert isinstance(events[-1], Finished)


def test_thousands_of_characters(training_on, small):
    text = "".join(chr(0x4E00 + i) for i in np.random.default_rng(1).integers(3000, size=6000))
    training = training_on(Corpus.from_text(text), small(steps=3))
    assert training.training_ids.dtype == np.uint16
    assert isinstance(list(training.events())[-1], Finished)
