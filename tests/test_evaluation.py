"""Losses, against a loop that anyone can check."""

import math

import numpy as np
import pytest
import torch

from charrnn import evaluation
from charrnn.checkpoint import Checkpoint
from charrnn.errors import CorpusError
from charrnn.evaluation import carried_loss, score, unigram_loss, uniform_loss, windowed_loss
from charrnn.model import CharRNN
from charrnn.settings import ModelSettings, Settings
from charrnn.vocabulary import Vocabulary

V = 7


@pytest.fixture
def model(cell):
    torch.manual_seed(4)
    return CharRNN(ModelSettings(cell=cell, hidden_size=6, embedding_size=4, dropout=0.5), V)


def naive(model, ids, fresh_every=None) -> float:
    """One character at a time: the mean of -log p, from a zero state every so many characters."""
    model.eval()
    total, state = 0.0, None
    with torch.no_grad():
        for t in range(len(ids) - 1):
            if fresh_every and t % fresh_every == 0:
                state = None
            logits, state = model(torch.tensor([[int(ids[t])]]), state)
            total -= float(torch.log_softmax(logits[0, 0].double(), 0)[int(ids[t + 1])])
    model.train()
    return total / (len(ids) - 1)


@pytest.mark.parametrize("length, window", [(2, 5), (5, 5), (6, 5), (26, 5), (33, 5), (33, 1), (20, 256)])
def test_windowed_loss_is_the_naive_loop(model, length, window):
    ids = np.random.default_rng(length).integers(V, size=length).astype(np.uint8)
    assert windowed_loss(model, ids, window) == pytest.approx(naive(model, ids, window), abs=1e-5)
    assert model.training  # as it was before


def test_carried_loss_is_the_naive_loop(model, monkeypatch):
    ids = np.random.default_rng(5).integers(V, size=60).astype(np.uint8)
    expected = naive(model, ids)
    assert carried_loss(model, ids) == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr(evaluation, "CHUNK", 16)  # the same in pieces, also where the last piece is full
    for length in (17, 18, 33, 60):
        assert carried_loss(model, ids[:length]) == pytest.approx(naive(model, ids[:length]), abs=1e-5)
    assert windowed_loss(model, ids, 5) == pytest.approx(naive(model, ids, 5), abs=1e-5)


@pytest.mark.parametrize("length", [140, 141, 209, 350, 423])
def test_stretches_side_by_side_are_one_pass(model, monkeypatch, length):
    monkeypatch.setattr(evaluation, "STRETCH", 70)
    monkeypatch.setattr(evaluation, "RUN_UP", 60)  # more than so small a network remembers
    monkeypatch.setattr(evaluation, "ROWS", 5)
    monkeypatch.setattr(evaluation, "CHUNK", 32)
    ids = np.random.default_rng(7).integers(V, size=length)
    assert carried_loss(model, ids) == pytest.approx(naive(model, ids), abs=1e-5)


def test_a_limit_looks_at_evenly_spread_windows():
    torch.manual_seed(4)
    model = CharRNN(ModelSettings(cell="gru", hidden_size=6, embedding_size=4, dropout=0.0), V)
    ids = np.random.default_rng(6).integers(V, size=1001)
    windows = [windowed_loss(model, ids[start : start + 11], 10) for start in range(0, 1000, 10)]
    assert windowed_loss(model, ids, 10, limit=50) == pytest.approx(np.mean([windows[i] for i in (0, 24, 49, 74, 99)]), abs=1e-5)
    assert windowed_loss(model, ids, 10, limit=1000) == pytest.approx(np.mean(windows), abs=1e-5)


def test_baselines_by_hand():
    assert uniform_loss(8) == pytest.approx(math.log(8))
    training, validation = np.array([0, 0, 0, 1]), np.array([0, 1, 2])
    # counts plus one: 4, 2, 1 of 7
    expected = -(math.log(4 / 7) + math.log(2 / 7) + math.log(1 / 7)) / 3
    assert unigram_loss(training, validation, 3) == pytest.approx(expected)


def checkpoint(lowercase: bool = False) -> Checkpoint:
    torch.manual_seed(4)
    settings = Settings.of("quick", hidden_size=6, embedding_size=4, dropout=0.2, members=1, lowercase=lowercase)
    vocabulary = Vocabulary("\n abcde")
    model = CharRNN(settings.model, len(vocabulary))
    return Checkpoint(settings, vocabulary, {name: w.numpy() for name, w in model.state_dict().items()}, {})


def test_score_is_in_nats_and_bits_and_counts_the_unknown():
    model = checkpoint()
    text = "abc dea\nbéC de漢!\n" * 20
    result = score(model, text, 16)
    assert result["bits_per_char"] == pytest.approx(result["nats_per_char"] / math.log(2))
    assert result["carried_bits_per_char"] == pytest.approx(result["carried_nats_per_char"] / math.log(2))
    assert (result["chars"], result["unknown"], result["window"]) == (len(text), 80, 16)
    clean = model.vocabulary.adapt(text).text
    network = CharRNN(model.settings.model, 7)
    network.load_state_dict({name: torch.from_numpy(w) for name, w in model.weights.items()})
    assert result["carried_nats_per_char"] == pytest.approx(naive(network, model.vocabulary.encode(clean)), abs=1e-5)


def test_score_counts_accents_typed_in_two_pieces():
    assert score(checkpoint(), "abc e\u0301\u0301 abc")["unknown"] == 2
    assert score(checkpoint(), "abcde\u0301 abc")["unknown"] == score(checkpoint(), "abcd\u00e9 abc")["unknown"] == 1


def test_score_lower_cases_for_a_model_that_knows_no_capitals():
    assert score(checkpoint(lowercase=True), "ABC DEA")["unknown"] == 0
    assert score(checkpoint(lowercase=True), "ABC DEA") == score(checkpoint(lowercase=True), "abc dea")


@pytest.mark.parametrize("text", ["", "a", "漢字漢字", "a漢"])
def test_score_needs_two_characters(text):
    with pytest.raises(CorpusError, match="fewer than two"):
        score(checkpoint(), text)
