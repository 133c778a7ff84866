"""nn.RNN and nn.GRU, arranged so that a CPU spends its time in matrix products.

What they compute, their parameters and the order of the gates are torch's own; a state_dict moves either way. Both go
through the same three stages:
  1. the input's share of the gates for all steps, in one product: (T N, D) @ (D, G H);
  2. a loop with one product a step, (N, H) @ (H, G H), into buffers that are allocated once;
  3. backward, a loop with one product a step, (N, G H) @ (G H, H), then the gradient of each weight in one product over
     all T N rows. What does not depend on the incoming gradient, the slope of each gate, is multiplied out for all steps
     before that loop, because a small operation costs its call and not its arithmetic.
nn.LSTM needs none of this: torch hands it to oneDNN as a whole (tests/benchmarks/NOTES.md has the numbers).

Shapes: N sequences, T steps, D inputs, H hidden, G gates (rnn 1, gru 3), L layers. Inside, steps come first.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

State = Tensor | tuple[Tensor, Tensor]  # (L, N, H) h; for the lstm (h, c)


class Layers(nn.RNNBase):
    """What the three have in common: batch first, layer after layer, and whatever module stands `between` two of them."""

    SMALL = 4096  # rows times units; with more, a step's product is large enough for torch's own way

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, between: nn.Module | None = None):
        super().__init__(input_size, hidden_size, num_layers, batch_first=True)
        self.between = between or nn.Identity()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(N, T, D) inputs, state -> (N, T, H) states of the last layer, state. No state means zeros."""
        given = state if isinstance(state, tuple) else (state,)
        last = []
        for layer, weights in enumerate(self.all_weights):
            if layer:
                x = self.between(x)
            zeros = x.new_zeros(len(x), self.hidden_size)
            x, *ends = self.layer(x, weights, *(zeros if s is None else s[layer] for s in given))
            last.append(ends)
        ends = tuple(torch.stack(ends) for ends in zip(*last, strict=True))
        return x, ends if len(ends) > 1 else ends[0]

    def pays_off(self, x: Tensor) -> bool:
        """Whether the cell written out below is the faster one: on a CPU, while a step's product is small."""
        return x.device.type == "cpu" and len(x) * self.hidden_size <= self.SMALL


class RNN(Layers, nn.RNN):
    """nn.RNN with tanh."""

    def layer(self, x: Tensor, weights: list[Tensor], h: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, D), (N, H) -> (N, T, H), (N, H) through one layer."""
        if self.pays_off(x):
            states = tanh_rnn(x.transpose(0, 1), h, *weights)
            return states.transpose(0, 1), states[-1]
        states, last = torch.rnn_tanh(x, h[None], weights, True, 1, 0.0, self.training, False, True)
        return states, last[0]


class GRU(Layers, nn.GRU):
    """nn.GRU."""

    def layer(self, x: Tensor, weights: list[Tensor], h: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, D), (N, H) -> (N, T, H), (N, H) through one layer."""
        if self.pays_off(x):
            states = gru(x.transpose(0, 1), h, *weights)
            return states.transpose(0, 1), states[-1]
        states, last = torch.gru(x, h[None], weights, True, 1, 0.0, self.training, False, True)
        return states, last[0]


class LSTM(Layers, nn.LSTM):
    """nn.LSTM."""

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(N, T, D) inputs, h and c -> (N, T, H) states of the last layer, h and c. No state means zeros."""
        return super().forward(x, state or (None, None))

    def layer(self, x: Tensor, weights: list[Tensor], h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, D), (N, H), (N, H) -> (N, T, H), (N, H), (N, H) through one layer."""
        states, h, c = torch.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, self.training, False, True)
        return states, h[0], c[0]


def tanh_rnn(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """(T, N, D), (N, H), (H, D), (H, H), (H,), (H,) -> every state (T, N, H)."""
    return _TanhRNN.apply(x, h, w_ih, w_hh, b_ih, b_hh)


def gru(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """(T, N, D), (N, H), (3H, D), (3H, H), (3H,), (3H,) -> every state (T, N, H)."""
    return _GRU.apply(x, h, w_ih, w_hh, b_ih, b_hh)


class _TanhRNN(torch.autograd.Function):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    @staticmethod
    def forward(ctx, x, h0, w_ih, w_hh, b_ih, b_hh):
        states = _project(x, w_ih, b_ih + b_hh)
        recurrent, h = w_hh.T.contiguous(), h0  # multiplies up to twice as fast as the transposed view
        for state in states.unbind(0):
            h = state.addmm_(h, recurrent).tanh_()
        ctx.save_for_backward(x, h0, w_ih, w_hh, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, d_states):
        x, h0, w_ih, w_hh, states = ctx.saved_tensors
        slope = 1 - states * states
        d_gates = torch.empty_like(states)
        d_h = d_states[-1]
        for t in range(len(states) - 1, -1, -1):
            d_gate = torch.mul(d_h, slope[t], out=d_gates[t])
            d_h = torch.addmm(d_states[t - 1], d_gate, w_hh) if t else d_gate @ w_hh
        before = torch.cat([h0[None], states[:-1]])
        d_x, *d_weights = _weight_gradients(x, before, w_ih, d_gates, d_gates)
        return d_x, d_h, *d_weights


class _GRU(torch.autograd.Function):
    """r, z = sigmoid(...); n = tanh(W_in x + b_in + r (W_hn h + b_hn)); h' = (1 - z) n + z h  (Cho et al. 2014)."""

    @staticmethod
    def forward(ctx, x, h0, w_ih, w_hh, b_ih, b_hh):
        gates = _project(x, w_ih, b_ih)  # the input's share, and after step t the gates themselves
        from_hidden = torch.empty_like(gates)
        hidden = h0.shape[-1]
        states = gates.new_empty(*gates.shape[:2], hidden)
        r, z, n = (gate.unbind(0) for gate in gates.split(hidden, dim=-1))
        both, new = (part.unbind(0) for part in from_hidden.split([2 * hidden, hidden], dim=-1))
        rz, product, state = gates[..., : 2 * hidden].unbind(0), from_hidden.unbind(0), states.unbind(0)
        recurrent, h = w_hh.T.contiguous(), h0
        for t in range(len(states)):
            torch.addmm(b_hh, h, recurrent, out=product[t])
            rz[t].add_(both[t]).sigmoid_()
            n[t].addcmul_(r[t], new[t]).tanh_()
            h = torch.lerp(n[t], h, z[t], out=state[t])
        ctx.save_for_backward(x, h0, w_ih, w_hh, gates, from_hidden, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, d_states):
        x, h0, w_ih, w_hh, gates, from_hidden, states = ctx.saved_tensors
        hidden = states.shape[-1]
        r, z, n = gates.split(hidden, dim=-1)
        before = torch.cat([h0[None], states[:-1]])
        # What one unit of d_h becomes at each gate.
        slopes = gates.new_empty(*gates.shape[:2], 3, hidden)
        slope_r, slope_z, slope_rn = slopes.unbind(2)
        slope_n = torch.addcmul(gates.new_ones(()), n, n, value=-1).mul_(1 - z)
        torch.mul(slope_n, from_hidden[..., 2 * hidden :], out=slope_r).mul_(torch.addcmul(r, r, r, value=-1))
        torch.sub(before, n, out=slope_z).mul_(torch.addcmul(z, z, z, value=-1))
        torch.mul(slope_n, r, out=slope_rn)
        d_hidden = torch.empty_like(slopes)  # at W_hh h + b_hh
        d_h = d_states.clone(memory_format=torch.contiguous_format)  # at every h, once the next has added its share
        rows = d_hidden.flatten(2)  # (T, N, 3H), the same memory
        slope, out, row, keep, at = (values.unbind(0) for values in (slopes, d_hidden, rows, z, d_h))
        d_h0 = torch.zeros_like(h0)
        for t in range(len(states) - 1, -1, -1):
            torch.mul(slope[t], at[t][:, None], out=out[t])
            (at[t - 1] if t else d_h0).addcmul_(at[t], keep[t]).addmm_(row[t], w_hh)
        d_input = torch.cat([rows[..., : 2 * hidden], slope_n.mul_(d_h)], dim=-1)
        d_x, *d_weights = _weight_gradients(x, before, w_ih, d_input, rows)
        return d_x, d_h0, *d_weights


def _project(x: Tensor, w_ih: Tensor, bias: Tensor) -> Tensor:
    """(T, N, D), (G H, D), (G H,) -> (T, N, G H): the input's share of the gates at every step, in one product."""
    return torch.addmm(bias, x.flatten(0, 1), w_ih.T).view(*x.shape[:2], -1)


def _weight_gradients(x, before, w_ih, d_input, d_hidden) -> tuple[Tensor, ...]:
    """The gradients of x, w_ih, w_hh, b_ih and b_hh, each in one product over the T N rows.

    x (T, N, D); before (T, N, H), the state that each step started from; d_input, d_hidden (T, N, G H), the gradient at
    W_ih x + b_ih and at W_hh h + b_hh, which differ in the gru's n alone.
    """
    rows_in, rows_hidden = d_input.flatten(0, 1), d_hidden.flatten(0, 1)
    return (
        (rows_in @ w_ih).view(x.shape),
        rows_in.T @ x.flatten(0, 1),
        rows_hidden.T @ before.flatten(0, 1),
        rows_in.sum(0),
        rows_hidden.sum(0),
    )
