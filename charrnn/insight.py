"""What a model makes of a text, character by character: surprise, odds, hidden states.

Shapes: T characters, L layers, H hidden, V vocabulary.
"""

from dataclasses import dataclass

import numpy as np

from .engine import Engine
from .errors import CorpusError


@dataclass(frozen=True)
class Reading:
    """What happened inside the network while it read T characters, from a zero state."""

    ids: np.ndarray  # (T,)
    logits: np.ndarray  # (T, V): after each character, about the next one
    hidden: np.ndarray  # (T, L, H): every layer's h after each character


def read_text(engine: Engine, ids: np.ndarray, window: int | None = None) -> Reading:
    """Read (T,) ids in one go; with a `window`, from a zero state again after every so many characters.

    Raises CorpusError when there is nothing to read.
    """
    if not len(ids):
        raise CorpusError(
            "Reading the text", "there is no character in it that the model knows", "Type some text first"
        )
    hidden = np.empty((len(ids), engine.layers, engine.hidden_size), dtype=np.float32)
    state = engine.start()
    for t in range(len(ids)):
        if window and t and t % window == 0:
            state = engine.start()
        engine.advance(ids[t : t + 1], state)
        hidden[t] = np.concatenate(state.h)
    return Reading(np.asarray(ids), engine.read_out(hidden[:, -1]), hidden)


def surprise(reading: Reading) -> np.ndarray:
    """(T - 1,) bits: -log2 p of each character but the first, which nothing comes before.

    Their mean times ln 2 is the loss that `evaluation` gives: `carried_loss` for a reading in one go, `windowed_loss` for
    one with the same window.
    """
    followed = np.take_along_axis(reading.logits[:-1], reading.ids[1:, None].astype(np.int64), 1)[:, 0]
    return (_log_sum(reading.logits[:-1]) - followed.astype(np.float64)) / np.log(2)


def odds(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(..., V) logits -> (..., V) probabilities softmax(logits / temperature); at temperature 0, 1 for the likeliest."""
    if temperature <= 0:
        return (np.arange(logits.shape[-1]) == logits.argmax(-1)[..., None]).astype(np.float64)
    scaled = logits.astype(np.float64) / temperature
    p = np.exp(scaled - scaled.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def preferred(logits: np.ndarray, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """(T, V) logits -> the ids (T, count) of the likeliest next characters, likeliest first, and their odds (T, count)."""
    p = odds(logits)
    best = np.argsort(-p, axis=-1, kind="stable")[..., :count]
    return best, np.take_along_axis(p, best, -1)


def choices(p: np.ndarray) -> np.ndarray:
    """(..., V) probabilities -> (...): how many equally likely characters would be as uncertain, 2 to the entropy in bits."""
    return np.exp(-(p * np.log(np.where(p > 0, p, 1.0))).sum(-1))


def _log_sum(logits: np.ndarray) -> np.ndarray:
    """(..., V) -> (...): ln of the sum of exp, in double precision."""
    logits = logits.astype(np.float64)
    top = logits.max(-1)
    return top + np.log(np.exp(logits - top[..., None]).sum(-1))
