"""The numpy engine is the torch model."""

import numpy as np
import pytest
import torch

from charrnn.engine import Engine
from charrnn.ensemble import Ensemble
from charrnn.settings import ModelSettings

V = 13


def pair(cell: str, layers: int, members: int = 1) -> tuple[Ensemble, Engine]:
    torch.manual_seed(3)
    settings = ModelSettings(cell=cell, hidden_size=9, embedding_size=6, num_layers=layers, dropout=0.3, members=members)
    model = Ensemble(settings, V).eval()
    with torch.no_grad():  # away from the zeros of the initialisation, where a mistake with a bias would not show
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, Engine(settings, model.weights())


@pytest.fixture(params=[1, 2, 3])
def layers(request, cell):
    if cell == "handwritten" and request.param > 1:
        pytest.skip("the handwritten cell has one layer")
    return request.param


@pytest.mark.parametrize("members", [1, 2, 3])
def test_engine_is_the_model(cell, layers, members):
    model, engine = pair(cell, layers, members)
    ids = np.random.default_rng(0).integers(V, size=(4, 25))
    with torch.no_grad():
        expected, end = model(torch.from_numpy(ids))
    state = engine.start(4)
    for t in range(25):
        np.testing.assert_allclose(engine.step(ids[:, t], state), expected[:, t].numpy(), atol=2e-5)
    ends = [torch.cat(parts, dim=-1).numpy() for parts in zip(*(e if cell == "lstm" else (e,) for e in end))]
    np.testing.assert_allclose(np.stack(state.h), ends[0], atol=2e-5)
    if cell == "lstm":
        np.testing.assert_allclose(np.stack(state.c), ends[1], atol=2e-5)
    else:
        assert state.c == []


@pytest.mark.filterwarnings("error")
def test_gates_far_beyond_their_range_are_open_or_shut(cell):
    model, _ = pair(cell, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(300)
    engine, ids = Engine(model.settings, model.weights()), np.arange(V)
    with torch.no_grad():
        expected, _ = model(torch.from_numpy(ids[:, None]))
    np.testing.assert_allclose(engine.step(ids, engine.start(V)), expected[:, 0].numpy(), rtol=1e-4, atol=0.1)


def test_rows_can_be_taken_and_copied(cell):
    _, engine = pair(cell, 1, members=2)
    state = engine.start(2)
    engine.step(np.array([1, 2]), state)
    kept = state.copy()
    branched = state.take([1, 1, 0])
    both = engine.step(np.array([3, 4]), state)
    three = engine.step(np.array([4, 5, 3]), branched)
    np.testing.assert_allclose(three[0], both[1], atol=1e-6)
    np.testing.assert_allclose(three[2], both[0], atol=1e-6)
    np.testing.assert_allclose(engine.step(np.array([3, 4]), kept), both, atol=1e-6)


def test_the_given_weights_are_left_alone(cell):
    model, _ = pair(cell, 1)
    weights = model.weights()
    before = {name: w.copy() for name, w in weights.items()}
    engine = Engine(model.settings, weights)
    engine.step(np.array([0]), engine.start())
    assert all((weights[name] == before[name]).all() for name in weights)
