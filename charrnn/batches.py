"""Ids -> the batch of every step. A batch depends on the step, the seed and the member alone, so a resumed run meets the same ones.

Shapes: N sequences, T steps.
"""

import numpy as np

from .settings import TrainingSettings

PASSAGE = 512  # characters that a stream reads on in one place of the text, about
FRESH = 0.25  # share of passages that start from a zero state, so that a model also knows how a text begins


class Streams:
    """Truncated BPTT over N parallel streams: step k reads on, in each stream, where step k - 1 ended.

    A stream is made of passages from all over the text, shuffled anew in each epoch: the neighbours in a long text, such as
    the files of a program, are alike, and a network that stays with one kind for long forgets the others. The text is taken as a
    ring and cut open at another place in each epoch: so passages begin elsewhere each time, and the few characters that do
    not fill them are others. Memory is carried from passage to passage, too: most texts are long, and a model has to
    find its way into each from whatever state it is in.
    """

    def __init__(self, ids: np.ndarray, settings: TrainingSettings, member: int = 0):
        """`ids` (L,) with L > T. N is lowered when the text is too short for that many streams."""
        self.ids, self.seq_length, self.seed = ids, settings.seq_length, (settings.seed, member)
        self.batch_size = max(1, min(settings.batch_size, (len(ids) - 1) // self.seq_length))
        chunks = (len(ids) - 1) // (self.batch_size * self.seq_length)
        self.passage_chunks = chunks // min(chunks, max(1, round(chunks * self.seq_length / PASSAGE)))
        rounds = chunks // self.passage_chunks
        self.passages = rounds * self.batch_size
        self.passage_length = (len(ids) - 1) // self.passages
        self.steps_per_epoch = rounds * self.passage_chunks
        self._epoch, self._starts = -1, np.empty(0)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N, T) int64 inputs, (N, T) int64 targets shifted by one, (N,) bool: whose memory starts afresh here."""
        epoch, index = divmod(step, self.steps_per_epoch)
        passage, chunk = divmod(index, self.passage_chunks)
        if epoch != self._epoch:
            generator = np.random.default_rng((*self.seed, epoch))
            cut = generator.integers(len(self.ids))
            self._starts = cut + self.passage_length * generator.permutation(self.passages)
            self._epoch = epoch
        starts = self._starts[passage * self.batch_size : (passage + 1) * self.batch_size] + chunk * self.seq_length
        fresh = np.random.default_rng((*self.seed, epoch, passage)).random(self.batch_size) < FRESH
        return *_cut(self.ids, starts, self.seq_length), fresh & (chunk == 0) | (step == 0)


class Windows:
    """The notebook's batches: every window of T characters once an epoch, shuffled, each from a zero state."""

    def __init__(self, ids: np.ndarray, settings: TrainingSettings, member: int = 0):
        """`ids` (L,) with L > T."""
        self.ids, self.seq_length, self.seed = ids, settings.seq_length, (settings.seed, member)
        self.windows = len(ids) - self.seq_length
        self.batch_size = min(settings.batch_size, self.windows)
        self.steps_per_epoch = -(-self.windows // self.batch_size)
        self._epoch, self._order = -1, np.empty(0)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N, T) int64 inputs, (N, T) int64 targets shifted by one, (N,) True: memory always starts afresh."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = np.arange(self.windows, dtype=np.uint32)
            np.random.default_rng((*self.seed, epoch)).shuffle(self._order)
            self._epoch = epoch
        starts = self._order[index * self.batch_size : (index + 1) * self.batch_size].astype(np.int64)
        return *_cut(self.ids, starts, self.seq_length), np.ones(len(starts), dtype=bool)


def batches(ids: np.ndarray, settings: TrainingSettings, member: int = 0) -> Streams | Windows:
    """The reading order that the settings ask for; each member of a model meets the text in another."""
    return {"streams": Streams, "windows": Windows}[settings.batching](ids, settings, member)


def _cut(ids: np.ndarray, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, length) int64 stretches of the ring `ids` from each of the N starts, and the same one character later."""
    stretches = ids[(starts[:, None] + np.arange(length + 1)) % len(ids)].astype(np.int64)
    return stretches[:, :-1], stretches[:, 1:]
