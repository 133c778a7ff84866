"""Ids -> the batch of every step."""

import numpy as np
import pytest

from charrnn.batches import FRESH, Streams, Windows, batches
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


def test_streams_read_on_where_they_left_off():
    source = Streams(IDS, settings("streams"))
    assert source.batch_size == 4 and source.stream_length == 25 and source.steps_per_epoch == 3
    for epoch in range(5):
        before = None
        for chunk in range(source.steps_per_epoch):
            inputs, _, fresh = source.batch(epoch * source.steps_per_epoch + chunk)
            assert fresh.all() if chunk == 0 else (inputs[:, 0] == (before + 1) % len(IDS)).all()
            before = inputs[:, -1]


def test_an_epoch_of_streams_leaves_out_less_than_a_chunk_a_stream():
    source = Streams(IDS, settings("streams"))
    starts = set()
    for epoch in range(20):
        seen = [source.batch(epoch * source.steps_per_epoch + chunk)[0] for chunk in range(source.steps_per_epoch)]
        seen = np.concatenate(seen, axis=1)
        assert len(np.unique(seen)) == seen.size == 4 * 21
        starts.add(int(seen[0, 0]))
    assert len(starts) > 2  # what is left out differs from epoch to epoch


def test_some_memories_start_afresh_within_an_epoch():
    source = Streams(np.zeros(50_001, dtype=np.uint8), settings("streams", seq_length=5, batch_size=10))
    fresh = np.array([source.batch(step)[2] for step in range(1, source.steps_per_epoch)])
    assert 0.6 * FRESH < fresh.mean() < 1.4 * FRESH


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
