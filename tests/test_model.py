"""The mathematics of the network."""

import pytest
import torch

from charrnn.model import CharRNN, HandwrittenRNN, detach
from charrnn.settings import ModelSettings

V = 11


def network(cell: str, layers: int = 1, hidden: int = 8, **rates) -> CharRNN:
    torch.manual_seed(0)
    rates = {"dropout": 0.0, "recurrent_dropout": 0.0} | rates
    return CharRNN(ModelSettings(cell=cell, hidden_size=hidden, embedding_size=5, num_layers=layers, **rates), V)


def tensors(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.fixture(params=[1, 3])
def layers(request, cell):
    if cell == "handwritten" and request.param > 1:
        pytest.skip("the handwritten cell has one layer")
    return request.param


def test_stepwise_is_the_whole_sequence(cell, layers):
    model, ids = network(cell, layers), torch.randint(V, (3, 17))
    whole, end = model(ids)
    assert whole.shape == (3, 17, V)
    state, steps = None, []
    for t in range(17):
        logits, state = model(ids[:, t : t + 1], state)
        steps.append(logits)
    torch.testing.assert_close(torch.cat(steps, 1), whole)
    for a, b in zip(tensors(state), tensors(end), strict=True):
        assert a.shape == (layers, 3, 8)
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("cut", [1, 6, 16])
def test_carried_state_is_unbroken_text(cell, layers, cut):
    model, ids = network(cell, layers), torch.randint(V, (2, 17))
    whole, _ = model(ids)
    first, state = model(ids[:, :cut])
    second, _ = model(ids[:, cut:], detach(state))
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    afresh, _ = model(ids[:, cut:])
    assert not torch.allclose(afresh, whole[:, cut:])


def test_no_state_is_zeros(cell):
    model, ids = network(cell), torch.randint(V, (2, 4))
    zeros = torch.zeros(1, 2, 8)
    torch.testing.assert_close(model(ids)[0], model(ids, (zeros, zeros) if cell == "lstm" else zeros)[0])


def test_rows_do_not_see_each_other(cell):
    model, ids = network(cell), torch.randint(V, (4, 9))
    torch.testing.assert_close(model(ids)[0][2:3], model(ids[2:3])[0])


def test_handwritten_is_torch_with_the_same_weights():
    torch.manual_seed(1)
    ours, theirs = HandwrittenRNN(5, 8), torch.nn.RNN(5, 8, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.cell.weight[:, :5])
        theirs.weight_hh_l0.copy_(ours.cell.weight[:, 5:])
        theirs.bias_ih_l0.copy_(ours.cell.bias)
        theirs.bias_hh_l0.zero_()
    x, h = torch.randn(3, 12, 5), torch.randn(1, 3, 8)
    for state in (None, h):
        mine, other = ours(x, state), theirs(x, state)
        torch.testing.assert_close(mine[0], other[0])
        torch.testing.assert_close(mine[1], other[1])
    mine[0].square().sum().backward()
    other[0].square().sum().backward()
    torch.testing.assert_close(ours.cell.weight.grad[:, :5], theirs.weight_ih_l0.grad)
    torch.testing.assert_close(ours.cell.weight.grad[:, 5:], theirs.weight_hh_l0.grad)


def test_the_handwritten_gradient_is_the_numerical_one():
    torch.manual_seed(2)
    cell = HandwrittenRNN(3, 4).double()
    x, h = torch.randn(2, 5, 3, dtype=torch.double, requires_grad=True), torch.randn(1, 2, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, h: cell(x, h)[0], (x, h))


def test_initialisation(cell, layers):
    if cell == "handwritten":
        return
    model = network(cell, layers)
    for name, weight in model.rnn.named_parameters():
        if name.startswith("weight_hh"):
            for gate in weight.split(8):
                torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
        elif name.startswith("bias"):
            expected = torch.zeros_like(weight)
            if cell == "lstm" and "_ih_" in name:
                expected[8:16] = 1  # torch's order of gates: input, forget, cell, output
            torch.testing.assert_close(weight.data, expected)


def test_detach_cuts_the_history_and_keeps_the_numbers(cell):
    model = network(cell)
    _, state = model(torch.randint(V, (2, 4)))
    for kept, cut in zip(tensors(state), tensors(detach(state)), strict=True):
        assert kept.requires_grad and not cut.requires_grad
        assert torch.equal(kept, cut)


def test_dropout_acts_in_training_only(cell):
    model, ids = network(cell, dropout=0.5), torch.randint(V, (2, 4))
    assert not torch.equal(model(ids)[0], model(ids)[0])
    model.eval()
    assert torch.equal(model(ids)[0], model(ids)[0])


def test_recurrent_dropout_silences_the_same_weights_through_the_whole_chunk(cell, layers):
    if cell == "handwritten":
        pytest.skip("the handwritten cell has no recurrent dropout")
    model, ids = network(cell, layers, hidden=32, recurrent_dropout=0.25), torch.randint(V, (4, 12))
    logits, _ = model(ids)
    assert not torch.equal(model(ids)[0], logits)  # others the next time
    logits.square().sum().backward()
    for name, weight in model.rnn.named_parameters():
        silenced = weight.grad == 0
        assert silenced.float().mean().item() == pytest.approx(0.25 if "weight_hh" in name else 0, abs=0.06)
        if "weight_hh" in name:
            weight.data = (~silenced * weight / 0.75).detach()
    model.eval()
    torch.testing.assert_close(model(ids)[0], logits)
