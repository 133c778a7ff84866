"""Training rate as a share of the matrix-product rate measured between the same calls.

Operations are counted alike everywhere: six for each weight and character (two forward, four backward) of the recurrent
layers and the output layer. The embedding is a look-up and counts nothing; dropout, loss, clipping and optimiser take
time and count nothing.
"""

import time
from collections.abc import Iterator
from statistics import median

import torch
from torch import nn

from charrnn import recurrence
from charrnn.corpus import Corpus
from charrnn.events import Step
from charrnn.settings import Settings
from charrnn.sizing import fit, product_rate
from charrnn.training import Training

from .figures import PRODUCT_FLOPS, Figure, at_least, product, share, side_by_side
from .texts import made_up

LENGTH, INPUTS = 64, 64
CELLS = {"gru": (nn.GRU, recurrence.GRU), "rnn": (nn.RNN, recurrence.RNN)}
SIZES = ((256, 8), (256, 16), (512, 8), (1024, 8), (128, 32), (512, 16))  # H, N


def measure() -> Iterator[Figure]:
    every = torch.get_num_threads()
    try:
        for threads in sorted({1, every}):
            torch.set_num_threads(threads)
            yield from presets(threads)
            yield from cells(threads)
    finally:
        torch.set_num_threads(every)


def presets(threads: int) -> Iterator[Figure]:
    """The presets as they are sized for a text of 1 MB, and their lstm alone: forward and backward, nothing else. One thread is
    for one member, since each has a thread of its own."""
    corpus = Corpus.from_text(made_up(1_000_000))
    speed = product_rate()
    for preset in ("quick", "balanced", "best"):
        for cell in ("lstm", "gru", "rnn"):
            if cell != "lstm" and preset != "balanced":
                continue
            wanted = Settings.of(preset, cell=cell, members=1 if threads == 1 else None)
            sized, _ = fit(wanted, 900_000, len(corpus.vocabulary), speed)
            members, each = sized.model.members, max(1, threads // sized.model.members)
            training = Training(sized.changed(steps=100_000, threads=each), corpus.vocabulary, corpus.ids, corpus.ids[:9000])
            several = f"{members} x " if members > 1 else ""
            of = f"{preset}, {several}{cell} of {sized.model.hidden_size}, {threads} thread{'s' * (threads > 1)}"
            yield whole_step(f"training, {of}", training)
            if cell == "lstm":
                training.model.threads = each
                yield alone(f"forward and backward, {of}", training)


def operations(training: Training) -> int:
    """Of one step, as this module counts them."""
    batches = training.settings.training
    matrices = [p for name, p in training.model.named_parameters() if p.ndim == 2 and "embedding" not in name]
    return 6 * batches.batch_size * batches.seq_length * sum(p.numel() for p in matrices)


def whole_step(what: str, training: Training, steps: int = 96) -> Figure:
    """Steps as they are when a person trains: batches, dropout, clipping, optimiser. Muon acts in one of eight, so eight count
    as one."""
    events = (event for event in training.events() if isinstance(event, Step))
    yardstick, rounds, products = product(), [], []
    for _ in range(8):
        next(events)
    for _ in range(steps // 8):
        started = time.perf_counter()
        for _ in range(8):
            next(events)
        rounds.append(time.perf_counter() - started)
        started = time.perf_counter()
        yardstick()
        products.append(time.perf_counter() - started)
    seconds = median(rounds) / 8
    rate = operations(training) / seconds / 1e9
    characters = training.settings.training.batch_size * training.settings.training.seq_length / seconds
    return share(f"{what} ({characters:,.0f} chars/s)", rate, PRODUCT_FLOPS / median(products) / 1e9, 0.7 if "lstm" in what else None)


def alone(what: str, training: Training) -> Figure:
    """The recurrent layer of all members, without anything around it."""
    settings, layers = training.settings, [member.rnn for member in training.model.members]
    n, t, d = settings.training.batch_size, settings.training.seq_length, settings.model.embedding_size
    x = torch.randn(n, t, d, requires_grad=True)

    def gradients(rnn):
        return torch.autograd.grad(rnn(x)[0].square().sum(), [x, *rnn.parameters()])

    seconds, yardstick = side_by_side(lambda: training.model.side_by_side(gradients, layers), product())
    flops = 6 * n * t * sum(p.numel() for rnn in layers for p in rnn.parameters() if p.ndim == 2)
    return share(what, flops / seconds / 1e9, PRODUCT_FLOPS / yardstick / 1e9)


def cells(threads: int) -> Iterator[Figure]:
    """Ours beside torch's own, forward and backward, at sizes (H, N) where charrnn takes ours, and at one where it does not."""
    for cell, (theirs, ours) in CELLS.items():
        for hidden, rows in SIZES:
            torch.manual_seed(0)
            x = torch.randn(rows, LENGTH, INPUTS, requires_grad=True)
            modules = theirs(INPUTS, hidden, batch_first=True), ours(INPUTS, hidden)
            used = "" if modules[1].pays_off(x) else " (torch's own is used)"
            modules[1].pays_off = lambda x: True

            def run(module):
                torch.autograd.grad(module(x)[0].square().sum(), [x, *module.parameters()])

            slow, fast, yardstick = side_by_side(lambda: run(modules[0]), lambda: run(modules[1]), product())
            flops = 6 * rows * LENGTH * sum(p.numel() for p in modules[1].parameters() if p.ndim == 2)
            rate, limit = PRODUCT_FLOPS / yardstick / 1e9, flops / 1e9
            what = f"{cell} of {hidden}, N {rows}, {threads} thread{'s' * (threads > 1)}{used}"
            shares = f"{limit / fast / rate:.0%} of the product, torch's own {limit / slow / rate:.0%}"
            if used:
                yield Figure(what, shares, f"{slow / fast:.2f} x torch's own")
            else:
                yield at_least(what, shares, slow / fast, "torch's own", 1.3)
