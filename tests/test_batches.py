"""Ids -> the batch of every step."""

import numpy as np
import pytest

from charrnn.batches import FRESH, PASSAGE, Streams, Windows, batches
from charrnn.settings import TrainingSettings


def settings(batching: str, seq_length: int = 7, batch_size: int = 4, seed: int = 1) -> TrainingSettings:
    return TrainingSettings(batching=batching, seq_length=seq_length, batch_size=batch_size, seed=seed)


IDS = np.arange(103)  # an id says where it stands


@pytest.mark.parametrize("batching", ["streams", "windows"])
@pytest.mark.parametrize("length", [8, 9, 29, 103])
def test_targets_are_the_inputs_one_later(batching, length):
    source = batches(IDS[:length].astype(np.uint8), settings(batching))
    for step in range(3 * source.steps_per_epoch):
        inputs, targets, fresh = source.batch(step)
        assert inputs.dtype == targets.dtype == np.int64 and fresh.dtype == bool
        assert inputs.shape == targets.shape == (len(fresh), 7)
        following = inputs + 1 if batching == "windows" else (inputs + 1) % length  # streams go round a ring
        assert (targets == following).all() and inputs.min() >= 0 and targets.max() < length


@pytest.mark.parametrize("batching, kind", [("streams", Streams), ("windows", Windows)])
def test_a_batch_depends_on_the_step_alone(batching, kind):
    first, second = batches(IDS, settings(batching)), batches(IDS, settings(batching))
    assert type(first) is kind
    forth = [first.batch(step) for step in range(40)]
    back = [second.batch(step) for step in reversed(range(40))][::-1]
    for a, b in zip(forth, back):
        assert all((x == y).all() for x, y in zip(a, b, strict=True))
    other = batches(IDS, settings(batching, seed=2))
    assert any(not np.array_equal(x, y) for step in range(40) for x, y in zip(forth[step], other.batch(step)))


@pytest.mark.parametrize("length, chunks, steps", [(103, 3, 3), (20_000, 71, 710), (20_000 + 4 * 7, 71, 710)])
def test_streams_read_on_where_they_left_off_until_the_end_of_a_passage(length, chunks, steps):
    source = Streams(np.arange(length), settings("streams"))
    assert source.batch_size == 4 and source.passage_chunks == chunks and source.steps_per_epoch == steps
    assert chunks * 7 <= 1.5 * PASSAGE
    before = None
    for step in range(3 * steps):
        inputs, _, fresh = source.batch(step)
        if step % chunks:
            assert not fresh.any() and (inputs[:, 0] == (before + 1) % length).all()
        before = inputs[:, -1]


@pytest.mark.parametrize("length", [103, 2_000, 20_000])
def test_an_epoch_of_streams_leaves_out_less_than_a_passage_a_stream(length):
    source = Streams(np.arange(length), settings("streams"))
    orders = set()
    for epoch in range(12):
        seen = [source.batch(epoch * source.steps_per_epoch + step)[0] for step in range(source.steps_per_epoch)]
        seen = np.concatenate(seen, axis=1)
        assert len(np.unique(seen)) == seen.size > length - 1 - 7 * 4 * source.passage_chunks and seen.size > 0.8 * length
        orders.add(tuple(seen[:, 0]))
    assert len(orders) > 2  # the order differs from epoch to epoch, and so does what is left out


@pytest.mark.parametrize("streams", [1, 8, 16])
@pytest.mark.parametrize("seq_length", [16, 64, 100, 128, 1000])
def test_little_is_left_out_and_passages_are_about_as_long_as_said(streams, seq_length):
    for length in (10_000, 45_001, 100_000, 313_566, 1_000_000):
        source = Streams(np.zeros(length, dtype=np.uint8), settings("streams", seq_length, streams))
        assert source.steps_per_epoch * source.batch_size * seq_length > 0.85 * length - seq_length * streams
        assert 0.6 * PASSAGE < source.passage_chunks * seq_length < 1.6 * PASSAGE or source.passage_chunks == 1


def test_every_step_sees_passages_from_all_over_the_text():
    source = Streams(np.arange(1_000_000), settings("streams", seq_length=64, batch_size=16))
    assert source.passage_chunks == 8 and source.passages == 1952
    for step in range(0, source.steps_per_epoch, source.passage_chunks):
        here, later = (np.sort(source.batch(at)[0][:, 0]) for at in (step, (step + source.passage_chunks) % source.steps_per_epoch))
        assert here[-1] - here[0] > 400_000
        assert np.abs(here - later).min() >= source.passage_length or step + source.passage_chunks == source.steps_per_epoch


def test_some_memories_start_afresh_at_a_passage():
    source = Streams(np.zeros(500_001, dtype=np.uint8), settings("streams", seq_length=64, batch_size=10))
    assert source.batch(0)[2].all()  # there is no memory yet
    fresh = np.array([source.batch(step)[2] for step in range(source.passage_chunks, source.steps_per_epoch, source.passage_chunks)])
    assert 0.8 * FRESH < fresh.mean() < 1.2 * FRESH


@pytest.mark.parametrize("length, streams", [(8, 1), (14, 1), (15, 2), (28, 3), (29, 4), (1000, 4)])
def test_a_short_text_has_fewer_streams(length, streams):
    source = Streams(np.arange(length), settings("streams"))
    assert source.batch_size == streams and source.steps_per_epoch >= 1


def test_every_window_comes_once_an_epoch_in_another_order():
    source = Windows(IDS, settings("windows"))
    assert source.windows == 96 and source.steps_per_epoch == 24
    orders = []
    for epoch in range(3):
        starts = np.concatenate([source.batch(epoch * 24 + i)[0][:, 0] for i in range(24)])
        assert sorted(starts) == list(range(96))
        orders.append(tuple(starts))
    assert len(set(orders)) == 3
    assert all(source.batch(step)[2].all() for step in range(24))


def test_the_last_batch_of_windows_may_be_smaller():
    source = Windows(np.arange(17), settings("windows"))
    assert [len(source.batch(step)[2]) for step in range(source.steps_per_epoch)] == [4, 4, 2]
    assert len(Windows(np.arange(9), settings("windows")).batch(0)[2]) == 2


@pytest.mark.parametrize("batching", ["streams", "windows"])
def test_each_member_meets_the_text_in_another_order(batching):
    first, again, second = (batches(IDS, settings(batching), member) for member in (0, 0, 1))
    batch_of = [[source.batch(step)[0] for step in range(10)] for source in (first, again, second)]
    assert all(np.array_equal(a, b) for a, b in zip(batch_of[0], batch_of[1]))
    assert any(not np.array_equal(a, b) for a, b in zip(batch_of[0], batch_of[2]))
