"""Several networks as one model."""

import threading

import numpy as np
import pytest
import torch

from charrnn.checkpoint import Checkpoint
from charrnn.engine import Engine, as_one
from charrnn.ensemble import Ensemble
from charrnn.insight import read_text
from charrnn.memory import gradient_norms
from charrnn.settings import ModelSettings, Settings
from charrnn.ui.lesson import lesson_view
from charrnn.vocabulary import Vocabulary

V, H, D = 7, 5, 3


def ensemble(cell: str, members: int, layers: int = 1) -> Ensemble:
    torch.manual_seed(2)
    sizes = dict(hidden_size=H, embedding_size=D, num_layers=layers, dropout=0.3, recurrent_dropout=0.0, members=members)
    model = Ensemble(ModelSettings(cell=cell, **sizes), V)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def checkpoint_of(model: Ensemble) -> Checkpoint:
    return Checkpoint(Settings(model=model.settings), Vocabulary("abcdefg"), model.weights(), {})


@pytest.fixture(params=[1, 2])
def layers(request, cell):
    if cell == "handwritten" and request.param > 1:
        pytest.skip("the handwritten cell has one layer")
    return request.param


def test_logits_are_the_mean_and_states_are_each_members_own(cell, layers):
    model = ensemble(cell, 3, layers).eval()
    first, second = torch.randint(V, (2, 6)), torch.randint(V, (2, 4))
    alone = [member(first) for member in model.members]
    logits, states = model(first)
    torch.testing.assert_close(logits, torch.stack([own for own, _ in alone]).mean(0))
    further, _ = model(second, states)
    expected = [member(second, state)[0] for member, (_, state) in zip(model.members, alone)]
    torch.testing.assert_close(further, torch.stack(expected).mean(0))


def test_members_differ_and_one_member_is_the_network_itself():
    model = ensemble("lstm", 2)
    a, b = (member.state_dict() for member in model.members)
    assert not any(torch.equal(a[name], b[name]) for name in a)
    single, ids = ensemble("lstm", 1).eval(), torch.randint(V, (2, 6))
    assert torch.equal(single(ids)[0], single.members[0](ids)[0])
    assert single.weights().keys() == single.members[0].state_dict().keys()


def test_members_work_side_by_side_with_their_own_threads_and_the_callers_wish_for_gradients():
    model = ensemble("lstm", 2)
    model.threads = 1
    both = threading.Barrier(2, timeout=20)  # opens only when two are there at the same time

    def work(item):
        both.wait()
        return item, threading.get_ident(), torch.get_num_threads(), torch.is_grad_enabled()

    with torch.no_grad():
        results = model.side_by_side(work, "ab")
    assert [item for item, *_ in results] == ["a", "b"]
    assert len({thread for _, thread, *_ in results}) == 2
    assert all(threads == 1 and not grad for *_, threads, grad in results)


def test_a_fault_of_one_member_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        ensemble("lstm", 2).side_by_side(lambda item: 1 / item, (1, 0))


@pytest.mark.parametrize("members", [1, 3])
def test_weights_are_a_round_trip(cell, layers, members):
    model = ensemble(cell, members, layers).eval()
    again, ids = Ensemble(model.settings, V).eval(), torch.randint(V, (2, 6))
    again.load_weights(model.weights())
    assert torch.equal(again(ids)[0], model(ids)[0])
    weights = model.weights()
    with torch.no_grad():
        next(model.parameters()).zero_()
    assert all(w.any() for w in weights.values())  # a copy


def test_as_one_network_it_computes_the_same(cell, layers):
    model, ids = ensemble(cell, 3, layers).eval(), np.random.default_rng(0).integers(V, size=(2, 9))
    settings, weights = as_one(model.settings, model.weights())
    assert (settings.members, settings.hidden_size, settings.embedding_size) == (1, 3 * H, 3 * D)
    several, one = Engine(model.settings, model.weights()), Engine(settings, weights)
    states = several.start(2), one.start(2)
    for t in range(9):
        logits = [engine.step(ids[:, t], state) for engine, state in zip((several, one), states)]
        np.testing.assert_allclose(*logits, atol=2e-5)
    for a, b in zip(states[0].h, states[1].h, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_the_gradients_of_all_members_are_looked_at_together():
    model, ids = ensemble("lstm", 2).eval(), np.random.default_rng(0).integers(V, size=(1, 8))
    checkpoint = checkpoint_of(model)
    norms = gradient_norms(*checkpoint.as_one, ids)
    embedded = [member.embedding(torch.from_numpy(ids[:, :-1])).detach().requires_grad_() for member in model.members]
    hidden = [member.rnn(x)[0][:, -1] for member, x in zip(model.members, embedded)]
    logits = torch.stack([member.decoder(h) for member, h in zip(model.members, hidden)]).mean(0)
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(ids[:, -1])).backward()
    expected = torch.cat([x.grad for x in embedded], dim=2).norm(dim=2).flip(1)
    np.testing.assert_allclose(norms, expected.numpy(), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("members", [1, 2])
def test_the_lesson_tells_of_all_members(cell, members):
    checkpoint = checkpoint_of(ensemble(cell, members))
    reading = read_text(checkpoint.engine, np.array([0, 3, 1, 2, 2]))
    html = lesson_view(checkpoint, reading, None)
    assert f"has {members * D} numbers of its own" in html and f"{members * H} numbers between" in html
    assert ("2 networks that read side by side" in html) == (members == 2)
