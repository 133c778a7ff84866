"""The written-out recurrences are torch's own, in float64: outputs, states and every gradient."""

import pytest
import torch
from torch import nn

from charrnn import recurrence
from charrnn.model import CharRNN
from charrnn.settings import ModelSettings

T, N, D, H = 5, 3, 4, 6
CELLS = {"rnn": (nn.RNN, recurrence.RNN, recurrence.tanh_rnn), "gru": (nn.GRU, recurrence.GRU, recurrence.gru)}


@pytest.fixture(params=CELLS)
def kind(request):
    return request.param


def pair(kind, layers=1, dropout=0.0):
    """torch's module and ours, in float64, with the same weights through a state_dict."""
    torch.manual_seed(1)
    theirs, ours, _ = CELLS[kind]
    theirs = theirs(D, H, layers, batch_first=True, dropout=dropout).double()
    ours = ours(D, H, layers, between=nn.Dropout(dropout)).double()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def leaves(*shapes):
    return [torch.randn(shape, dtype=torch.double, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("steps, rows", [(T, N), (1, 1), (2, 1), (1, 4), (40, 2)])
@pytest.mark.parametrize("carried", [True, False])
def test_equals_torch(kind, layers, steps, rows, carried):
    theirs, ours = pair(kind, layers)
    x, h = leaves((rows, steps, D), (layers, rows, H))
    state = h if carried else None
    weights = [torch.randn(rows, steps, H).double(), torch.randn(layers, rows, H).double()]
    gradients = []
    for module in (theirs, ours):
        outputs = module(x, state)
        gradients.append(
            torch.autograd.grad(
                sum((w * out).sum() for w, out in zip(weights, outputs, strict=True)),
                [x, *([h] if carried else []), *module.parameters()],
            )
        )
        if module is theirs:
            expected = outputs
    for a, b in zip(expected, outputs, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


def test_gradcheck(kind):
    _, ours = pair(kind)
    x, h = leaves((T, N, D), (N, H))
    assert torch.autograd.gradcheck(CELLS[kind][2], (x, h, *ours.parameters()))


def test_gradcheck_when_the_input_is_given(kind):
    _, ours = pair(kind)
    x, h = (leaf.detach() for leaf in leaves((T, N, D), (N, H)))
    assert torch.autograd.gradcheck(CELLS[kind][2], (x, h, *ours.parameters()))


def test_no_two_gradients_share_memory(kind):
    """Else scaling one by the clipped norm would scale the other as well."""
    _, ours = pair(kind)
    ours(*leaves((N, T, D)))[0].sum().backward()
    assert len({parameter.grad.data_ptr() for parameter in ours.parameters()}) == 4


def test_a_state_does_not_keep_the_chunk_that_led_to_it(kind):
    _, ours = pair(kind)
    _, state = ours(*leaves((N, T, D)))
    assert state.untyped_storage().nbytes() == state.nbytes


def test_what_does_not_pay_off_goes_torchs_own_way(kind, monkeypatch):
    theirs, ours = pair(kind)
    written_out = CELLS[kind][2].__name__
    seen, cell = [], getattr(recurrence, written_out)
    monkeypatch.setattr(recurrence, written_out, lambda x, *given: seen.append(x.shape[1]) or cell(x, *given))
    most = ours.MANY
    for rows in (most, most + 1):
        (x,) = leaves((rows, T, D))
        torch.testing.assert_close(ours(x), theirs(x))
    assert seen == [most]
    for units, most in ((64, 64), (256, 16), (ours.SMALL, 8)):
        of_that_size = CELLS[kind][1](D, units)
        assert of_that_size.pays_off(torch.empty(most, T, D)) and not of_that_size.pays_off(torch.empty(most + 1, T, D))


@pytest.mark.parametrize("layers", [1, 3])
def test_the_lstm_is_torchs_own(layers):
    theirs, ours = nn.LSTM(D, H, layers, batch_first=True), recurrence.LSTM(D, H, layers)
    ours.load_state_dict(theirs.state_dict())
    x, *state = torch.randn(N, T, D), torch.randn(layers, N, H), torch.randn(layers, N, H)
    for given in (None, tuple(state)):
        torch.testing.assert_close(ours(x, given), theirs(x, given))


def test_dropout_between_layers_acts_in_training_only(kind):
    theirs, ours = pair(kind, layers=2, dropout=0.5)
    (x,) = leaves((N, T, D))
    assert not torch.equal(ours(x)[0], ours(x)[0])
    states = [ours(x)[1] for _ in range(2)]
    assert torch.equal(states[0][0], states[1][0]) and not torch.equal(states[0][1], states[1][1])
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])


def test_the_model_uses_them_with_torchs_names(kind):
    settings = ModelSettings(cell=kind, hidden_size=H, embedding_size=D, num_layers=2, dropout=0.1)
    rnn = CharRNN(settings, 7).rnn
    assert isinstance(rnn, CELLS[kind][1])
    assert list(rnn.state_dict()) == list(CELLS[kind][0](D, H, 2).state_dict())
