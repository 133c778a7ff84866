"""Gradients by distance are what autograd gives."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charrnn.checkpoint import shapes
from charrnn.memory import LARGEST, gradient_norms, influence, kept, reach, untrained
from charrnn.model import CharRNN
from charrnn.settings import ModelSettings

from .test_insight import V, network, weights_of


def autograd_norms(model: CharRNN, ids: np.ndarray) -> np.ndarray:
    x = model.embedding(torch.from_numpy(ids[:, :-1])).detach().requires_grad_()
    hidden, _ = model.rnn(x, None)
    F.cross_entropy(model.decoder(hidden[:, -1]), torch.from_numpy(ids[:, -1]), reduction="sum").backward()
    return x.grad.norm(dim=2).flip(1).numpy()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_gradient_norms_are_autograds(cell, layers):
    if cell == "handwritten" and layers > 1:
        pytest.skip("the handwritten cell has one layer")
    model = network(cell, layers).double()
    ids = np.random.default_rng(0).integers(V, size=(4, 31))
    ours = gradient_norms(model.settings, weights_of(model), ids)
    assert ours.shape == (4, 30)
    np.testing.assert_allclose(ours, autograd_norms(model, ids), rtol=1e-9)


def test_single_precision_is_enough(cell):
    model = network(cell)
    ids = np.random.default_rng(0).integers(V, size=(2, 61))
    np.testing.assert_allclose(
        gradient_norms(model.settings, weights_of(model), ids), autograd_norms(model, ids), rtol=2e-3
    )


def test_influence_is_a_share_of_the_nearest(cell):
    model = network(cell)
    ids = np.random.default_rng(0).integers(V, size=90)
    shares = influence(model.settings, weights_of(model), ids)
    assert shares.shape == (89,) and shares[0] == 1  # one window, as the text is short
    np.testing.assert_allclose(shares, (n := autograd_norms(model, ids[None])[0]) / n[0], rtol=2e-3)
    assert influence(model.settings, weights_of(model), ids[:2]).tolist() == [1]


def test_reach_is_where_influence_is_last_above_the_mark():
    assert reach(np.array([1, 0.5, 0.005, 0.02, 0.001])) == 4
    assert reach(np.array([1.0, 0.5])) == 2


def test_kept_is_the_mean_of_the_gate_that_keeps(cell):
    model = network(cell)
    ids = np.random.default_rng(0).integers(V, size=40)
    share = kept(model.settings, weights_of(model), ids)
    if cell not in ("gru", "lstm"):
        assert share is None
        return
    w = weights_of(model)
    h, state, gates = 9, None, []
    with torch.no_grad():
        for i in ids:
            old = np.zeros(h) if state is None else (state[0] if cell == "lstm" else state)[0, 0].numpy()
            a = w["rnn.weight_ih_l0"] @ w["embedding.weight"][i] + w["rnn.bias_ih_l0"] + w["rnn.weight_hh_l0"] @ old
            gates.append(1 / (1 + np.exp(-(a + w["rnn.bias_hh_l0"])[h : 2 * h])))
            _, state = model(torch.tensor([[int(i)]]), state)
    assert share == pytest.approx(np.mean(gates), abs=1e-5)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_an_untrained_network_is_drawn_as_the_model_draws_it(kind):
    settings = ModelSettings(cell="lstm", hidden_size=64, embedding_size=48, num_layers=2, dropout=0.0, members=1)
    alone, weights = untrained(settings, 40, kind)
    assert alone.num_layers == 1 and alone.cell == kind
    assert {name: w.shape for name, w in weights.items()} == shapes(alone, 40)
    torch.manual_seed(0)
    theirs = weights_of(CharRNN(alone, 40))
    for name, w in weights.items():
        assert w.dtype == np.float32
        assert w.std() == pytest.approx(theirs[name].std(), rel=0.25, abs=0.01), name
        assert w.mean() == pytest.approx(theirs[name].mean(), abs=0.06), name


def test_an_untrained_network_is_never_large():
    settings = ModelSettings(cell="rnn", hidden_size=2048, embedding_size=8, dropout=0.0, members=1)
    assert untrained(settings, 5, "rnn")[0].hidden_size == LARGEST
