"""Surprise, odds and hidden states are the model's own, and surprise adds up to the loss that evaluation gives."""

import numpy as np
import pytest
import torch

from charrnn.checkpoint import Checkpoint
from charrnn.engine import Engine
from charrnn.errors import CorpusError
from charrnn.evaluation import score
from charrnn.insight import choices, odds, preferred, read_text, surprise
from charrnn.model import CharRNN
from charrnn.settings import ModelSettings, Settings
from charrnn.vocabulary import Vocabulary

LETTERS = Vocabulary("\n abcdefgh.,")
V = len(LETTERS)


def network(cell: str, layers: int = 1) -> CharRNN:
    torch.manual_seed(5)
    settings = ModelSettings(cell=cell, hidden_size=9, embedding_size=6, num_layers=layers, dropout=0.2, members=1)
    model = CharRNN(settings, V).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return model


def weights_of(model: CharRNN) -> dict[str, np.ndarray]:
    return {name: w.detach().numpy() for name, w in model.state_dict().items()}


@pytest.fixture
def ids():
    return np.random.default_rng(2).integers(V, size=700)


def test_surprise_adds_up_to_the_evaluated_loss(cell, ids):
    model = network(cell)
    settings = Settings.of("quick", cell=cell, hidden_size=9, embedding_size=6, dropout=0.2, members=1)
    checkpoint = Checkpoint(settings, LETTERS, weights_of(model), {})
    expected = score(checkpoint, LETTERS.decode(ids), window=64)
    bits = surprise(read_text(checkpoint.engine, ids))
    assert bits.shape == (len(ids) - 1,)
    assert bits.mean() == pytest.approx(expected["carried_bits_per_char"], abs=1e-5)
    windowed = surprise(read_text(checkpoint.engine, ids, window=64))
    assert windowed.mean() == pytest.approx(expected["bits_per_char"], abs=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_activations_and_logits_are_the_models(cell, layers, ids):
    if cell == "handwritten" and layers > 1:
        pytest.skip("the handwritten cell has one layer")
    model = network(cell, layers)
    reading = read_text(Engine(model.settings, weights_of(model)), ids[:60])
    state, expected = None, []
    with torch.no_grad():
        for i in ids[:60]:
            logits, state = model(torch.tensor([[int(i)]]), state)
            expected.append(state[0] if cell == "lstm" else state)
        whole, _ = model(torch.from_numpy(ids[None, :60]))
    np.testing.assert_allclose(reading.hidden, torch.stack(expected)[:, :, 0].numpy(), atol=2e-5)
    np.testing.assert_allclose(reading.logits, whole[0].numpy(), atol=5e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 2.0])
def test_odds_are_softmax_of_logits_over_temperature(temperature):
    logits = np.random.default_rng(1).normal(0, 4, (5, V)).astype(np.float32)
    p = odds(logits, temperature)
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-12)
    np.testing.assert_allclose(
        p, torch.softmax(torch.from_numpy(logits).double() / temperature, -1).numpy(), atol=1e-12
    )


def test_at_temperature_zero_the_favourite_is_certain():
    assert odds(np.array([[1.0, 3.0, 3.0], [5.0, 0.0, 1.0]]), 0).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_the_preferred_come_likeliest_first():
    logits = np.log(np.array([[0.1, 0.5, 0.05, 0.3, 0.05]]))
    best, p = preferred(logits, 3)
    assert best.tolist() == [[1, 3, 0]]
    np.testing.assert_allclose(p, [[0.5, 0.3, 0.1]])
    assert preferred(logits, 9)[0].shape == (1, 5)  # no more than there are


def test_uncertainty_is_counted_in_equal_choices():
    assert choices(np.full(8, 1 / 8)) == pytest.approx(8)
    assert choices(np.array([1.0, 0.0])) == pytest.approx(1)


def test_an_empty_text_is_refused(cell):
    model = network(cell)
    with pytest.raises(CorpusError):
        read_text(Engine(model.settings, weights_of(model)), np.array([], dtype=int))
