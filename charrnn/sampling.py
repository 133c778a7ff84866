"""prime -> characters: temperature, top-k, top-p, seed.

A character is chosen by the Gumbel-max trick: the index of max(logits / temperature + g) with g = -log(E), E standard
exponential, is distributed as softmax(logits / temperature) (Gumbel 1954; Maddison et al. 2014). The noise depends on the
seed and the position alone, so that one seed at neighbouring temperatures parts only where temperature changed the choice.
"""

from collections.abc import Iterator

import numpy as np

from .engine import Engine, State
from .settings import SamplingSettings
from .vocabulary import Vocabulary

NOISE_ROWS = 64  # positions whose noise is drawn in one call


def generate(
    engine: Engine, vocabulary: Vocabulary, prime: str = "", settings: SamplingSettings = SamplingSettings()
) -> Iterator[str]:
    """The characters that follow `prime`, one by one, `settings.length` of them.

    `prime` holds known characters only (see Vocabulary.adapt, else CorpusError); an empty one stands for a new line.
    """
    state = engine.start()
    ids = vocabulary.encode(prime or opening(vocabulary))
    return _continue(engine, vocabulary, read(engine, ids, state), state, settings)


def _continue(engine: Engine, vocabulary: Vocabulary, logits: np.ndarray, state: State, settings: SamplingSettings):
    temperature = np.array([settings.temperature])
    for position, noise in zip(range(settings.length), gumbel(settings.seed, len(vocabulary))):
        if position:
            logits = engine.step(chosen, state)
        chosen = choose(logits, temperature, noise, settings.top_k, settings.top_p)
        yield vocabulary.characters[chosen[0]]


def opening(vocabulary: Vocabulary) -> str:
    """What stands for an empty prime: a line break, else a space, else the first character there is."""
    return next((c for c in "\n " if c in vocabulary), vocabulary.characters[0])


def read(engine: Engine, ids: np.ndarray, state: State) -> np.ndarray:
    """(T,) ids -> (1, V) logits after the last of them; `state` (of one row) moves on in place."""
    for i in ids:
        hidden = engine.advance(np.array([i]), state)
    return engine.read_out(hidden)


def gumbel(seed: int, vocabulary_size: int) -> Iterator[np.ndarray]:
    """(V,) standard Gumbel noise for one position after the other, without end."""
    generator = np.random.default_rng(seed)
    while True:
        yield from -np.log(generator.standard_exponential((NOISE_ROWS, vocabulary_size)))


def choose(
    logits: np.ndarray, temperature: np.ndarray, noise: np.ndarray, top_k: int = 0, top_p: float = 1.0
) -> np.ndarray:
    """(N, V) logits, (N,) temperatures, (V,) or (N, V) Gumbel noise -> (N,) ids. At temperature 0, the likeliest."""
    cold = temperature <= 0
    scores = logits / np.where(cold, 1.0, temperature)[:, None]
    if top_k or top_p < 1:
        scores = np.where(allowed(scores, top_k, top_p), scores, -np.inf)
    return np.where(cold, logits.argmax(1), (scores + noise).argmax(1))


def allowed(scores: np.ndarray, top_k: int, top_p: float) -> np.ndarray:
    """(N, V) bool: what is left of (N, V) logits / temperature after top-k (0: all) and then top-p (Holtzman et al. 2020).

    Top-p keeps the smallest set of likeliest characters whose probabilities, among those that top-k left, reach p.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, 1)
    if top_k:
        ranked[:, top_k:] = -np.inf
    p = np.exp(ranked - ranked[:, :1])
    p /= p.sum(1, keepdims=True)
    before = np.cumsum(p, 1) - p  # probability of all that ranks higher
    kept = (before < top_p) & (ranked > -np.inf)
    kept[:, 0] = True
    mask = np.empty_like(kept)
    np.put_along_axis(mask, order, kept, 1)
    return mask
