"""nn.RNN and nn.GRU, arranged so that a CPU spends its time in matrix products.

What they compute, their parameters and the order of the gates are torch's own; a state_dict moves either way. Both go
through the same three stages:
  1. the input's share of the gates for all steps, in one product: (T N, D) @ (D, G H);
  2. a loop with one product a step, (N, H) @ (H, G H), into buffers that are allocated once;
  3. backward, a loop with one product a step, (N, G H) @ (G H, H), then the gradient of each weight in one product over
     all T N rows. What does not depend on the incoming gradient, the slope of each gate, is multiplied out for all steps
     before that loop, because a small operation costs its call and not its arithmetic.
Buffers are few and written over, because memory that is written for the first time costs more than that arithmetic too.
nn.LSTM needs none of this: torch hands it to oneDNN as a whole (tests/benchmarks/NOTES.md has the numbers).

Shapes: N sequences, T steps, D inputs, H hidden, G gates (rnn 1, gru 3), L layers. Inside, steps come first.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

State = Tensor | tuple[Tensor, Tensor]  # (L, N, H) h; for the lstm (h, c)


class Layers(nn.RNNBase):
    """What the three have in common: batch first, layer after layer, and whatever module stands `between` two of them."""

    FEW = 8  # rows, for which torch's own way is slow however many units there are
    MANY = 64  # rows, with more of which it is not, however few units there are
    SMALL = 4096  # rows times units; in between, it is slow while a step's product is no larger

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
        """Whether the cell written out below is the faster one, by 1.3 times or more: on a CPU, for few rows or few units."""
        return x.device.type == "cpu" and len(x) <= max(self.FEW, min(self.MANY, self.SMALL // self.hidden_size))


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
        every, states = _room_for_states(x, h0)
        torch.addmm(b_ih + b_hh, x.flatten(0, 1), w_ih.T, out=states.flatten(0, 1))
        recurrent, h = w_hh.T.contiguous(), h0  # multiplies up to twice as fast as the transposed view
        for state in states.unbind(0):
            h = state.addmm_(h, recurrent).tanh_()
        ctx.save_for_backward(x, w_ih, w_hh, every)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, d_states):
        x, w_ih, w_hh, every = ctx.saved_tensors
        slope = torch.addcmul(every.new_ones(()), every[1:], every[1:], value=-1)
        # The gradient at every h, once the next has added its share; in the loop, that at what tanh is taken of.
        d_gate = d_states.clone(memory_format=torch.contiguous_format)
        at, by = d_gate.unbind(0), slope.unbind(0)
        for t in range(len(at) - 1, 0, -1):
            at[t - 1].addmm_(at[t].mul_(by[t]), w_hh)
        d_h0 = at[0].mul_(by[0]) @ w_hh
        d_x, *d_weights = _weight_gradients(x, every[:-1], w_ih, [d_gate], d_gate)
        return d_x, d_h0, *d_weights


class _GRU(torch.autograd.Function):
    """r, z = sigmoid(...); n = tanh(W_in x + b_in + r (W_hn h + b_hn)); h' = (1 - z) n + z h  (Cho et al. 2014)."""

    @staticmethod
    def forward(ctx, x, h0, w_ih, w_hh, b_ih, b_hh):
        every, states = _room_for_states(x, h0)
        inputs, hidden = x.flatten(0, 1), h0.shape[-1]
        two = 2 * hidden
        # Step by step, gates becomes r, z and W_hn h + b_hn, and n becomes itself. All but W_hh h is there from the start.
        gates, n = x.new_empty(*x.shape[:2], 3 * hidden), torch.empty_like(states)
        torch.addmm(b_ih[:two] + b_hh[:two], inputs, w_ih[:two].T, out=gates.flatten(0, 1)[:, :two])
        gates[..., two:] = b_hh[two:]
        torch.addmm(b_ih[two:], inputs, w_ih[two:].T, out=n.flatten(0, 1))
        recurrent, h = w_hh.T.contiguous(), h0
        each = (part.unbind(0) for part in (gates, gates[..., :two], *gates.chunk(3, dim=-1), n, states))
        for sums, rz, r, z, inner, new, state in zip(*each, strict=True):
            sums.addmm_(h, recurrent)
            rz.sigmoid_()
            new.addcmul_(r, inner).tanh_()
            h = torch.lerp(new, h, z, out=state)
        ctx.save_for_backward(x, w_ih, w_hh, gates, n, every)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, d_states):
        x, w_ih, w_hh, gates, n, every = ctx.saved_tensors
        before, hidden = every[:-1], n.shape[-1]
        r, z, inner = gates.chunk(3, dim=-1)
        rz = gates[..., : 2 * hidden]
        # The gradients at W_hh h + b_hh and at n's sum: first what one unit of d_h becomes there; in the loop, times d_h.
        d_gates, d_n, d_h = torch.empty_like(gates), torch.empty_like(n), torch.empty_like(n)
        d_r, d_z, d_inner = d_gates.chunk(3, dim=-1)
        d_rz = d_gates[..., : 2 * hidden]
        torch.addcmul(rz, rz, rz, value=-1, out=d_rz)
        d_z.mul_(torch.sub(before, n, out=d_h))
        torch.addcmul(n.new_ones(()), n, n, value=-1, out=d_n).addcmul_(d_n, z, value=-1)
        d_r.mul_(d_n).mul_(inner)
        torch.mul(d_n, r, out=d_inner)
        d_h.copy_(d_states)  # at every h, once the next has added its share
        d_h0 = torch.zeros_like(every[0])
        at, keep, row, by = (part.unbind(0) for part in (d_h, z, d_gates, d_gates.unflatten(-1, (3, hidden))))
        for t in range(len(at) - 1, -1, -1):
            by[t].mul_(at[t][:, None])
            (at[t - 1] if t else d_h0).addcmul_(at[t], keep[t]).addmm_(row[t], w_hh)
        d_x, *d_weights = _weight_gradients(x, before, w_ih, [d_rz, d_n.mul_(d_h)], d_gates)
        return d_x, d_h0, *d_weights


def _room_for_states(x: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
    """(T, N, D), (N, H) -> (T + 1, N, H) whose first is h0, and its view of the others, to be filled in."""
    every = h0.new_empty(len(x) + 1, *h0.shape)
    every[0] = h0
    return every, every[1:]


def _weight_gradients(x, before, w_ih, d_input, d_hidden) -> tuple[Tensor, ...]:
    """The gradients of x, w_ih, w_hh, b_ih and b_hh, each in one product over the T N rows.

    x (T, N, D); before (T, N, H), the state that each step started from; d_hidden (T, N, G H), the gradient at W_hh h + b_hh;
    d_input, that at W_ih x + b_ih, in blocks of gates that make up G H between them.
    """
    inputs, hidden, blocks = x.flatten(0, 1), d_hidden.flatten(0, 1), [block.flatten(0, 1) for block in d_input]
    weights = w_ih.split([block.shape[-1] for block in blocks])
    return (
        sum(block @ weight for block, weight in zip(blocks, weights, strict=True)).view(x.shape),
        torch.cat([block.T @ inputs for block in blocks]),
        hidden.T @ before.flatten(0, 1),
        torch.cat([block.sum(0) for block in blocks]),
        hidden.sum(0),
    )
