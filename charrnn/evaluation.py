"""How well a model predicts a text: mean loss per character, in nats.

Shapes: N windows, T characters, V vocabulary.
"""

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn import functional as F

from .checkpoint import Checkpoint
from .ensemble import Ensemble
from .errors import CorpusError

WINDOW = 256  # characters a window, unless told; each window starts from a zero state
CHUNK = 1 << 14  # characters that go through the model in one call, at most
ROWS = 64  # stretches of a long text that are read side by side, at most
STRETCH = 1 << 13  # characters each of them has at least
RUN_UP = 1 << 10  # characters before each of them that are read first
LOGITS = 1 << 22  # numbers that a call may give, so that thousands of distinct characters do not fill the memory


def windowed_loss(model: Ensemble, ids: np.ndarray, window: int = WINDOW, limit: int | None = None) -> float:
    """Mean nats/char over windows of `window` characters of (L,) ids, each read from a zero state.

    The first character of all is not predicted. Windows lie side by side; the last is shorter. With a `limit`, only as
    many windows, evenly spread, as make up about `limit` characters.
    """
    total, count = 0.0, 0
    full = (len(ids) - 1) // window
    starts = np.arange(full) * window
    if limit is not None and full * window > limit:
        starts = starts[np.linspace(0, full - 1, max(1, limit // window)).astype(int)]
        rest = 0
    else:
        rest = (len(ids) - 1) - full * window
    for some in np.array_split(starts, max(1, -(-len(starts) * window // _chunk(model)))):
        if len(some):
            stretches = ids[some[:, None] + np.arange(window + 1)]
            total += _summed_loss(model, stretches)[0]
            count += len(some) * window
    if rest:
        total += _summed_loss(model, ids[None, full * window :])[0]
        count += rest
    return total / count


def carried_loss(model: Ensemble, ids: np.ndarray) -> float:
    """Mean nats/char over (L,) ids read in one pass with carried state; the first character is not predicted.

    Of a long text, several stretches are read side by side, which is many times as fast as one character at a time. Each of
    them is reached through the RUN_UP characters before it, by which time the state is that of one pass: where in the
    text it was zero has been forgotten.
    """
    length = len(ids) - 1
    rows = min(ROWS, length // STRETCH)
    if rows < 2:
        return _read_on(model, ids[None])[0] / length
    lead = RUN_UP + (length - RUN_UP) % rows
    total, _ = _read_on(model, ids[None, : lead + 1])
    stretch = (length - lead) // rows
    starts = np.arange(lead, length, stretch)[:, None]
    _, state = _read_on(model, ids[starts + np.arange(-RUN_UP, 1)])
    total += _read_on(model, ids[starts + np.arange(stretch + 1)], state)[0]
    return total / length


def _read_on(model: Ensemble, ids: np.ndarray, state=None) -> tuple[float, object]:
    """`_summed_loss` of (N, T + 1) ids however large T is, piece by piece."""
    total, chunk = 0.0, max(1, _chunk(model) // len(ids))
    for start in range(0, ids.shape[1] - 1, chunk):
        summed, state = _summed_loss(model, ids[:, start : start + chunk + 1], state)
        total += summed
    return total, state


def _chunk(model: Ensemble) -> int:
    """How many characters go through the model in one call."""
    return max(1, min(CHUNK, LOGITS // model.vocabulary_size))


def _summed_loss(model: Ensemble, ids: np.ndarray, state=None) -> tuple[float, object]:
    """(N, T + 1) ids -> the summed loss of the last T characters of each row, and the state after the first T."""
    device = next(model.parameters()).device
    ids = torch.from_numpy(np.ascontiguousarray(ids).astype(np.int64)).to(device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits, state = model(ids[:, :-1], state)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="sum").item()
    model.train(was_training)
    return loss, state


def uniform_loss(vocabulary_size: int) -> float:
    """Nats/char of a model that knows nothing but the V characters: ln V."""
    return float(np.log(vocabulary_size))


def unigram_loss(training: np.ndarray, validation: np.ndarray, vocabulary_size: int) -> float:
    """Nats/char on `validation` of a model that knows how often each character occurs in `training` (counts plus one)."""
    counts = 1.0 + _counts(training, vocabulary_size)
    return float(-(_counts(validation, vocabulary_size) @ np.log(counts / counts.sum())) / len(validation))


def _counts(ids: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """(V,) how often each id occurs; in chunks, because bincount makes eight bytes of every id."""
    counts = np.zeros(vocabulary_size, dtype=np.int64)
    for start in range(0, len(ids), 1 << 22):
        counts += np.bincount(ids[start : start + (1 << 22)], minlength=vocabulary_size)
    return counts


def score(model: Checkpoint, text: str, window: int = WINDOW) -> dict:
    """What a trained model makes of a text, as `charrnn evaluate` prints it.

    `nats_per_char` and `bits_per_char` are over windows from a zero state, `carried_...` over one pass with carried
    state; `unknown` of the `chars` were not in the vocabulary and were replaced or left out before scoring.
    Raises CorpusError when fewer than two characters are left.
    """
    if model.settings.corpus.lowercase:
        text = text.lower()
    text = unicodedata.normalize("NFC", text)
    adapted = model.vocabulary.adapt(text)
    if len(adapted.text) < 2:
        raise CorpusError("Scoring the text", "the model knows fewer than two of its characters", "Choose another text")
    unknown = sum(text.count(c) for c in (*adapted.mapped, *adapted.dropped))
    network = Ensemble(model.settings.model, len(model.vocabulary))
    network.load_weights(model.weights)
    network.eval()
    ids = model.vocabulary.encode(adapted.text)
    with ThreadPoolExecutor(2) as pool:  # a core for each of them
        windowed, carried = pool.submit(windowed_loss, network, ids, window), pool.submit(carried_loss, network, ids)
        nats, carried = windowed.result(), carried.result()
    return {
        "nats_per_char": nats,
        "bits_per_char": nats / np.log(2),
        "carried_nats_per_char": carried,
        "carried_bits_per_char": carried / np.log(2),
        "window": window,
        "chars": len(text),
        "unknown": unknown,
    }
