"""Generating text: one stream, twenty temperatures at once, the first character. One core, an lstm 256 wide."""

import time
from collections.abc import Iterator
from itertools import islice
from statistics import median

import numpy as np
import torch

from charrnn.engine import Engine
from charrnn.model import CharRNN
from charrnn.sampling import generate, sweep
from charrnn.settings import ModelSettings, SamplingSettings
from charrnn.vocabulary import Vocabulary

from .figures import Figure, at_least, at_most, side_by_side

HIDDEN = 256
TEMPERATURES = np.linspace(0.1, 2.0, 20)
TEXTBOOK, OURS = 500, 4000  # characters a measurement


def measure() -> Iterator[Figure]:
    every = torch.get_num_threads()
    torch.set_num_threads(1)  # which is the faster for the textbook's small products, too
    try:
        model, engine, vocabulary = network(HIDDEN)
        slow, fast = side_by_side(
            lambda: textbook(model, TEXTBOOK), lambda: write(engine, vocabulary, OURS), rounds=5
        )
        slow, fast = TEXTBOOK / slow, OURS / fast
        yield Figure("the textbook loop, one stream", f"{slow:,.0f} chars/s")
        yield at_least("charrnn, one stream", f"{fast:,.0f} chars/s", fast / slow, "the textbook loop", 8)
        settings = SamplingSettings(length=400)
        slow, fast = side_by_side(
            lambda: batched(model, settings.length), lambda: sweep(engine, vocabulary, "ab", settings, TEMPERATURES)
        )
        yield Figure("a plain batched loop, 20 temperatures x 400 characters", f"{1e3 * slow:.1f} ms", f"{slow / fast:.2f} x ours")
        yield at_most("charrnn, 20 temperatures x 400 characters", 1e3 * fast, "ms", 120)
        yield at_most("first character of a stream", 1e3 * median(first(engine, vocabulary) for _ in range(9)), "ms", 50, 2)
    finally:
        torch.set_num_threads(every)


def network(hidden: int) -> tuple[CharRNN, Engine, Vocabulary]:
    """An untrained lstm for 65 characters, in torch and in numpy."""
    torch.manual_seed(0)
    settings = ModelSettings(hidden_size=hidden, embedding_size=64, dropout=0.0, members=1)
    vocabulary = Vocabulary.of({chr(code): 1 for code in range(48, 113)})
    model = CharRNN(settings, len(vocabulary)).eval()
    return model, Engine(settings, {name: w.numpy() for name, w in model.state_dict().items()}), vocabulary


@torch.no_grad()
def textbook(model: CharRNN, characters: int) -> list[int]:
    """One character at a time through nn.LSTM, as the tutorials write it."""
    ids, state, written = torch.zeros(1, 1, dtype=torch.int64), None, []
    for _ in range(characters):
        logits, state = model(ids, state)
        odds = torch.softmax(logits[0, -1] / 0.7, dim=-1)
        written.append(torch.multinomial(odds, 1).item())
        ids = torch.tensor([[written[-1]]])
    return written


@torch.no_grad()
def batched(model: CharRNN, characters: int) -> list[list[int]]:
    """The same, a row for each of TEMPERATURES."""
    temperatures = torch.from_numpy(TEMPERATURES).float()[:, None]
    ids, state, written = torch.zeros(len(temperatures), 1, dtype=torch.int64), None, []
    for _ in range(characters):
        logits, state = model(ids, state)
        ids = torch.multinomial(torch.softmax(logits[:, -1] / temperatures, dim=-1), 1)
        written.append(ids[:, 0].tolist())
    return written


def write(engine: Engine, vocabulary: Vocabulary, characters: int) -> str:
    return "".join(generate(engine, vocabulary, "ab", SamplingSettings(length=characters)))


def first(engine: Engine, vocabulary: Vocabulary) -> float:
    """Seconds from the call to the first character."""
    started = time.perf_counter()
    assert list(islice(generate(engine, vocabulary, "ab", SamplingSettings()), 1))
    return time.perf_counter() - started
