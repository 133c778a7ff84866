"""Which rule moves which parameter, and how far."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from charrnn.model import CharRNN
from charrnn.optimizer import MUON_RATE, Muon, make_optimizers, orthogonalise, set_rate
from charrnn.settings import Settings

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
V, D, H = 9, 5, 8


def network(cell="lstm", layers=1, **changes):
    torch.manual_seed(0)
    settings = Settings.of("quick", cell=cell, hidden_size=H, embedding_size=D, num_layers=layers, dropout=0.0, **changes)
    return CharRNN(settings.model, V), settings.training


def names(model, group):
    return {name for name, p in model.named_parameters() if any(p is q for q in group["params"])}


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_every_parameter_has_one_rule(cell, optimizer):
    model, settings = network(cell, optimizer=optimizer)
    grouped = [p for rule in make_optimizers(model, settings) for group in rule.param_groups for p in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, model.parameters()))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_muon_moves_the_recurrent_layers_matrices_gate_by_gate(kind, layers):
    model, settings = network(kind, layers)
    adamw, muon = make_optimizers(model, settings)
    (group,) = muon.param_groups
    assert names(model, group) == {f"rnn.weight_{kind}_l{layer}" for kind in ("ih", "hh") for layer in range(layers)}
    assert group["blocks"] == GATES[kind]
    decayed, others = adamw.param_groups
    assert names(model, decayed) == {"decoder.weight"} and decayed["weight_decay"] == settings.weight_decay
    assert "embedding.weight" in names(model, others) and others["weight_decay"] == 0
    assert all(p.ndim == 1 or p is model.embedding.weight for p in others["params"])


def test_adamw_decays_matrices_only(cell):
    model, settings = network(cell, optimizer="adamw", weight_decay=0.3)
    (adamw,) = make_optimizers(model, settings)
    decayed, others = adamw.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    matrices = {name for name, p in model.named_parameters() if p.ndim == 2} - {"embedding.weight"}
    assert names(model, decayed) == matrices


def test_rates():
    rules = make_optimizers(*network())
    set_rate(rules, 0.006)
    assert [group["lr"] for rule in rules for group in rule.param_groups] == pytest.approx([0.006, 0.006, 0.02])
    assert MUON_RATE * 0.006 == pytest.approx(0.02)


@pytest.mark.parametrize("shape", [(1, 40, 40), (4, 32, 12), (3, 12, 32), (2, 1, 7), (1, 6, 1)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_orthogonalise_keeps_directions_and_levels_lengths(shape, scale):
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    lengths = torch.linspace(0.1, 1, u.shape[-1])  # what the polynomials level, relative to the largest
    result = orthogonalise(scale * (u * lengths) @ v)
    assert result.shape == shape
    levelled = u.mT @ result @ v.mT
    torch.testing.assert_close(levelled, torch.eye(u.shape[-1]).expand_as(levelled), atol=0.06, rtol=0)


def test_orthogonalise_small_lengths_grow_and_nothing_stays_nothing():
    lengths = torch.tensor([1.0, 0.5, 0.01, 0.001])
    grown = orthogonalise(torch.diag(lengths)[None])[0].diagonal()
    assert (grown[2:] > 20 * lengths[2:]).all() and (grown <= 1.06).all() and (grown > 0).all()
    assert torch.equal(orthogonalise(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


def test_gates_do_not_mix():
    """A step on stacked gates is a step on each gate alone, however unlike their gradients are."""
    torch.manual_seed(0)
    gradient = torch.randn(12, 6) * torch.tensor([1.0, 100.0]).repeat_interleave(6)[:, None]
    whole, parts = nn.Parameter(torch.zeros(12, 6)), [nn.Parameter(torch.zeros(6, 6)) for _ in range(2)]
    whole.grad = gradient.clone()
    for part, gate in zip(parts, gradient.split(6), strict=True):
        part.grad = gate.clone()
    Muon([whole], every=1, blocks=2).step()
    Muon(parts, every=1).step()
    torch.testing.assert_close(whole.detach(), torch.cat([part.detach() for part in parts]))


def test_a_step_every_so_many_calls_and_so_much_longer():
    moved = {}
    for every in (1, 4):
        weight = nn.Parameter(torch.eye(6))
        rule = Muon([weight], lr=0.01, every=every)
        for call in range(1, 5):
            weight.grad = torch.eye(6)
            rule.step()
            assert torch.equal(weight.detach(), torch.eye(6)) == (call < every)
        moved[every] = (torch.eye(6) - weight.detach()).diagonal()
    torch.testing.assert_close(moved[1], moved[4])
    torch.testing.assert_close(moved[4], torch.full((6,), 0.04), atol=0.003, rtol=0)


def test_a_tall_matrix_takes_longer_steps():
    weight = nn.Parameter(torch.zeros(36, 4))
    weight.grad = torch.linalg.qr(torch.randn(36, 4)).Q
    Muon([weight], lr=0.01, every=1).step()
    assert torch.linalg.matrix_norm(weight.detach(), 2).item() == pytest.approx(0.01 * 3, rel=0.06)  # sqrt(36 / 4)


def test_muon_decays_apart_from_the_gradient():
    weight = nn.Parameter(torch.full((4, 4), 2.0))
    weight.grad = torch.zeros(4, 4)
    Muon([weight], lr=0.1, weight_decay=0.5, every=1).step()
    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 2.0 * (1 - 0.05)))


def test_a_restored_optimiser_goes_on_bit_for_bit(cell):
    """Stopped between two of Muon's steps, as training may be."""

    def step(model, rules, number):
        torch.manual_seed(number)
        model.zero_grad()
        model(torch.randint(V, (3, 6)))[0].square().mean().backward()
        for rule in rules:
            rule.step()

    model, settings = network(cell)
    rules = make_optimizers(model, settings)
    set_rate(rules, 0.01)
    for number in range(6):
        step(model, rules, number)
    other, _ = network(cell)
    other.load_state_dict(model.state_dict())
    others = make_optimizers(other, settings)
    for new, old in zip(others, rules, strict=True):
        new.load_state_dict(deepcopy(old.state_dict()))
    for number in range(6, 13):
        step(model, rules, number)
        step(other, others, number)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "given", [dict(lr=-1), dict(momentum=1.0), dict(weight_decay=-0.1), dict(every=0), dict(blocks=0), dict(blocks=5)]
)
def test_wrong_settings_are_refused(given):
    with pytest.raises(ValueError, match="Muon"):
        Muon([nn.Parameter(torch.zeros(8, 4))], **given)


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match="no stack"):
        Muon([nn.Parameter(torch.zeros(8))])
