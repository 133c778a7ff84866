"""From a text, a budget and a machine to the sizes of a training that fits them.

The rules were chosen by validation loss on plays, song lyrics and source code of 5 KB to 1 MB; the numbers behind them stand in
tests/benchmarks/NOTES.md.
"""

import time

import numpy as np

from .engine import GATES
from .settings import Settings
from .threads import cores

HIDDEN_SIZES = (64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
CHARACTERS_A_PARAMETER = 4.0  # a network pays off when training can show it so many characters for each parameter
MEMBERS = (1, 2, 4)  # M of the largest size must each have time for M passes, or one network of their joint size learns more
PASSES = 10.0  # through the same text; after more, the loss on unseen text gets worse however strong the dropout
EFFICIENCY = {1: 0.7, 2: 1.1}  # of one thread's matrix-product rate is what training makes of one core, and of two or more
LARGEST = ((100_000, 256), (600_000, 384), (2_000_000, 512))  # (c, H): with fewer than c characters, more than H units only memorise


def fit(settings: Settings, characters: int, vocabulary_size: int, speed: float | None = None) -> tuple[Settings, str]:
    """The settings with everything that was left open (None) chosen, and one sentence that says what and why.

    `characters` of text there are to train on; `speed` is the machine's rate of matrix products in GFLOP/s on one thread,
    measured when it is not given.
    """
    model, training = settings.model, settings.training
    rate = EFFICIENCY[min(training.threads or cores(), 2)] * 1e9 * (speed or product_rate())
    passes = training.passes or PASSES
    embedding = model.embedding_size or (64 if vocabulary_size <= 256 else 128)
    short = characters < LARGEST[0][0]
    batch_size, seq_length = training.batch_size or (8 if short else 16), training.seq_length or 64

    def time_for(hidden: int, members: int) -> float:
        """How many characters, repeats included, each of so many networks of this size has time for within the budget."""
        if training.minutes is None:
            return float(training.steps * batch_size * seq_length if training.steps else training.epochs * characters)
        flops = 6 * members * _weights(settings, hidden, embedding, vocabulary_size)  # forward 2, backward 4 a weight
        return 60 * training.minutes * rate / flops

    def seen(hidden: int, members: int) -> float:
        """How many of them it is shown: more passes than so many would only be learned by heart."""
        most = float("inf") if training.minutes is None else passes * characters
        return min(time_for(hidden, members), most)

    def pays_off(hidden: int) -> bool:
        """Whether the budget shows networks of this size enough text, or all the text there is often enough."""
        needed = CHARACTERS_A_PARAMETER * _weights(settings, hidden, embedding, 0)
        return seen(hidden, members) >= min(passes * characters, needed)

    largest = next((units for limit, units in LARGEST if characters < limit), HIDDEN_SIZES[-1])
    members, hidden = model.members or 1, model.hidden_size
    if model.members is None and training.minutes:  # several take more time, of which nobody spoke otherwise
        members = max(m for m in MEMBERS if m == 1 or time_for(hidden or largest, m) >= m * characters)
    if hidden is None:
        hidden = max((h for h in HIDDEN_SIZES if h <= largest and pays_off(h)), default=HIDDEN_SIZES[0])
    expected = seen(hidden, members) / characters
    if not short and expected > 0.9 * passes:  # time to spare: fewer and longer streams take more of it and learn more
        batch_size, seq_length = 8, 128
    wanted = max(0.0, min(0.5, 0.03 + 0.04 * expected, 0.14 * expected - 0.07))  # none for what is read half a time at most
    dropout = round(wanted, 2) if model.dropout is None else model.dropout
    chosen = dict(
        members=members,
        hidden_size=hidden,
        embedding_size=embedding,
        dropout=dropout,
        recurrent_dropout=0.0 if model.cell == "handwritten" else round(0.2 * dropout, 2),
        seq_length=seq_length,
        batch_size=batch_size,
        learning_rate=6e-3 if training.optimizer == "muon" or hidden <= 256 else 3e-3,
        passes=passes,
    )
    flat = {name: value for group in settings.to_dict().values() for name, value in group.items()}
    chosen = {name: value for name, value in chosen.items() if flat[name] is None}
    resolved = settings.changed(**chosen)
    return resolved, _sentence(resolved, characters, expected) if chosen.keys() - {"passes"} else ""


def product_rate() -> float:
    """GFLOP/s of a float32 matrix product on one thread of this machine, now: the best of a few, in some 20 ms."""
    size, best = 384, float("inf")
    a = np.ones((size, size), dtype=np.float32)
    for _ in range(8):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best / 1e9


def _weights(settings: Settings, hidden: int, embedding: int, vocabulary_size: int) -> int:
    """Weights that take part in every character: all matrices but the embedding, of which one row is looked up."""
    gates, layers = GATES[settings.model.cell], settings.model.num_layers
    return gates * hidden * (embedding + hidden + (layers - 1) * 2 * hidden) + hidden * vocabulary_size


def _sentence(settings: Settings, characters: int, passes: float) -> str:
    model, training = settings.model, settings.training
    layers = "one layer" if model.num_layers == 1 else f"{model.num_layers} layers"
    layers = layers if model.members == 1 else f"{model.members} networks side by side, each {layers}"
    budget = "" if training.minutes is None else f" and {training.minutes:g} min"
    end = " (then it would only learn by heart)" if training.minutes and passes >= 0.99 * training.passes else ""
    return (
        f"Chosen for {characters:,} characters{budget}: {layers} of {model.hidden_size} {model.cell} units, "
        f"dropout {model.dropout:g} ({model.recurrent_dropout:g} recurrent), about {passes:.1f} passes{end}."
    )
