"""prime -> characters: temperature, top-k, top-p, seed.

A character is chosen by the Gumbel-max trick: the index of max(logits / temperature + g) with g = -log(E), E standard
exponential, is distributed as softmax(logits / temperature) (Gumbel 1954; Maddison et al. 2014). The noise depends on the
seed and the position alone, so that one seed at neighbouring temperatures parts only where temperature changed the choice.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from .engine import Engine, State
from .settings import SamplingSettings
from .vocabulary import Vocabulary

NOISE_ROWS = 64  # positions whose noise is drawn in one call
COLDEST = 1e-30  # a temperature at which no noise can outweigh any difference between logits


def generate(
    engine: Engine, vocabulary: Vocabulary, prime: str = "", settings: SamplingSettings = SamplingSettings()
) -> Iterator[str]:
    """The characters that follow `prime`, one by one, at most `settings.length` of them.

    `prime` holds known characters only (see Vocabulary.adapt, else CorpusError); an empty one stands for a new line.
    """
    for ids in _rows(engine, vocabulary, prime, settings, np.array([settings.temperature])):
        yield vocabulary.characters[ids[0]]


def sweep(
    engine: Engine, vocabulary: Vocabulary, prime: str, settings: SamplingSettings, temperatures: Sequence[float]
) -> list[str]:
    """What `generate` writes at each of the N temperatures, in one batch; `settings.temperature` is not looked at.

    The same numbers summed in another order may differ in their last bit, and where two characters are tied to that bit,
    so may the text; one such tie is expected in hundreds of thousands of characters.
    """
    rows = list(_rows(engine, vocabulary, prime, settings, np.asarray(temperatures, dtype=float)))
    return [vocabulary.decode(column[column >= 0]) for column in np.array(rows).T]


def _rows(
    engine: Engine, vocabulary: Vocabulary, prime: str, settings: SamplingSettings, temperatures: np.ndarray
) -> Iterator[np.ndarray]:
    """(N,) ids for one position after the other; -1 in rows that have ended."""
    state = engine.start()
    logits = read(engine, vocabulary.encode(prime or opening(vocabulary)), state)
    if (n := len(temperatures)) > 1:
        state, logits = state.take(np.zeros(n, dtype=int)), logits.repeat(n, 0)
    endings = [Ending(settings) for _ in temperatures] if settings.lines or settings.blank_line or settings.stop else []
    guards = [RepeatGuard(settings.repeat_guard) for _ in temperatures] if settings.repeat_guard else []
    running = np.ones(n, dtype=bool)
    for position, noise in zip(range(settings.length), gumbel(settings.seed, len(vocabulary))):
        if position:
            logits = engine.step(chosen, state)
        for row, guard in enumerate(guards):
            logits[row, guard.forbidden(len(vocabulary))] = -np.inf
        chosen = choose(logits, temperatures, noise, settings.top_k, settings.top_p)
        for guard, i in zip(guards, chosen):
            guard.add(int(i))
        yield np.where(running, chosen, -1) if endings else chosen
        for row, ending in enumerate(endings):
            running[row] &= not ending.reached(vocabulary.characters[chosen[row]])
        if endings and not running.any():
            return


class Ending:
    """Says when a text has reached the end that the settings ask for."""

    def __init__(self, settings: SamplingSettings):
        self.settings, self.lines, self.tail = settings, 0, ""

    def reached(self, character: str) -> bool:
        """Take the next character; whether the text ends with it."""
        settings = self.settings
        self.lines += character == "\n"
        self.tail = (self.tail + character)[-max(2, len(settings.stop)) :]
        return (
            (settings.lines and self.lines >= settings.lines)
            or (settings.blank_line and self.tail.endswith("\n\n"))
            or (bool(settings.stop) and self.tail.endswith(settings.stop))
        )


class RepeatGuard:
    """Knows which ids would complete a stretch of `length` ids that was written before."""

    def __init__(self, length: int):
        self.length = length
        self.recent: tuple[int, ...] = ()
        self.followers: dict[tuple[int, ...], set[int]] = {}

    def forbidden(self, vocabulary_size: int) -> list[int]:
        """The ids that may not come next; none when that would be all of them."""
        followers = self.followers.get(self.recent, ())
        return sorted(followers) if len(followers) < vocabulary_size else []

    def add(self, i: int) -> None:
        if len(self.recent) == self.length - 1:
            self.followers.setdefault(self.recent, set()).add(i)
        self.recent = (*self.recent, i)[-(self.length - 1) :] if self.length > 1 else ()


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
    scores = logits / np.maximum(temperature, COLDEST)[:, None]
    if top_k or top_p < 1:
        scores = np.where(allowed(scores, top_k, top_p), scores, -np.inf)
    scores += noise
    return scores.argmax(1)


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
