"""What the tests of the core share: a small text, small settings, one trained run, and the command line as a person runs it."""

import os
import subprocess
import sys
from pathlib import Path

# On shared cores, threads that spin while they wait slow everything down; read when torch is imported.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

from charrnn.corpus import Corpus, split
from charrnn.runs import Run
from charrnn.settings import Settings
from charrnn.training import Training
from charrnn.worker import train

torch.set_num_threads(1)

ROOT = Path(__file__).parent.parent
CELLS = ("handwritten", "rnn", "gru", "lstm")
SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu".split()


def written(characters: int, seed: int = 0) -> str:
    """A text of made-up words in lines, in which no passage repeats."""
    random = np.random.default_rng(seed)
    words, length = [], 0
    while length < characters:
        word = "".join(random.choice(SYLLABLES, random.integers(1, 5)))
        words.append(word.capitalize() + "\n" if random.random() < 0.12 else word + " ")
        length += len(words[-1])
    return "".join(words)[:characters]


def small(**changes) -> Settings:
    """Settings of a training that takes well under a second; every size is given."""
    sizes = dict(hidden_size=12, embedding_size=6, dropout=0.2, recurrent_dropout=0.1, members=1)
    sizes |= dict(seq_length=8, batch_size=4, learning_rate=0.01)
    if changes.get("cell") == "handwritten" or changes.get("dropout") == 0:
        sizes["recurrent_dropout"] = 0.0
    budget = {} if {"minutes", "epochs", "steps"} & set(changes) else dict(steps=12)
    return Settings.of("quick", **(sizes | budget | changes))


def training_on(corpus: Corpus, settings: Settings, **options) -> Training:
    """A training of this text in memory, on the CPU."""
    parts = split(len(corpus), settings.corpus.validation_share, settings.training.seq_length)
    ids = corpus.ids
    return Training(settings, corpus.vocabulary, ids[parts[0]], ids[parts[1]], device="cpu", **options)


def run_command(*arguments, cwd=None, timeout=60, **options) -> subprocess.CompletedProcess:
    """`python -m charrnn ...` as a process of its own; bytes out."""
    return subprocess.run(
        [sys.executable, "-m", "charrnn", *map(str, arguments)],
        capture_output=True,
        cwd=cwd,
        timeout=timeout,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {}),
        **options,
    )


@pytest.fixture(scope="session")
def text() -> str:
    return written(1500)


@pytest.fixture(scope="session")
def corpus(text) -> Corpus:
    return Corpus.from_text(text, name="made up")


@pytest.fixture(scope="session", name="written")
def _written():
    return written


@pytest.fixture(scope="session", name="small")
def _small():
    return small


@pytest.fixture(scope="session", name="training_on")
def _training_on():
    return training_on


@pytest.fixture(scope="session")
def command():
    return run_command


@pytest.fixture(scope="session")
def trained(corpus, tmp_path_factory) -> Run:
    """A run that was trained to its end. Tests only look at it; who wants to change it copies it."""
    run = Run.create(tmp_path_factory.mktemp("trained") / "run", corpus, small(steps=40))
    assert [type(event).__name__ for event in train(run)][-1] == "Finished"
    return run


def pytest_generate_tests(metafunc):
    """A test that takes `cell` is run for every cell."""
    if "cell" in metafunc.fixturenames:
        metafunc.parametrize("cell", CELLS)
