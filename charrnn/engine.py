"""A trained network in numpy, fast one character at a time: what generates and explains. It needs no torch.

Shapes: N rows, T steps, D embedding, H hidden, V vocabulary, L layers, G gates (rnn 1, gru 3, lstm 4).
"""

import numpy as np

from .settings import ModelSettings


class State:
    """h, and for the lstm c: one (N, H) array for each of the L layers. `Engine.step` changes it in place."""

    def __init__(self, h: list[np.ndarray], c: list[np.ndarray]):
        self.h, self.c = h, c

    def copy(self) -> "State":
        return State([h.copy() for h in self.h], [c.copy() for c in self.c])

    def take(self, rows) -> "State":
        """The state of some rows, by index; repeats are allowed."""
        return State([h[rows] for h in self.h], [c[rows] for c in self.c])


class Engine:
    """The network of `model.CharRNN`, from the same weights; tests hold the two equal.

    Three things make a step cheap. The embedding and the first layer's input product are one table look-up by character.
    Sigmoid is written as tanh, sigma(x) = (1 + tanh(x / 2)) / 2, so that one call serves all gates. Gates are reordered
    so that those with a sigmoid lie together.
    """

    def __init__(self, settings: ModelSettings, weights: dict[str, np.ndarray]):
        self.settings = settings
        self.hidden_size, self.layers = settings.hidden_size, settings.num_layers
        weights = {name: np.asarray(w, dtype=np.float32) for name, w in weights.items()}
        self.decoder = np.ascontiguousarray(weights["decoder.weight"].T)  # (H, V)
        self.decoder_bias = weights["decoder.bias"]
        self.vocabulary_size = len(self.decoder_bias)
        self.inputs, self.biases, self.recurrent, self.new_biases = [], [], [], []
        for layer in range(self.layers):
            self._prepare(*layer_weights(settings, weights, layer))
        self.table = weights["embedding.weight"] @ self.inputs[0] + self.biases[0]  # (V, G H)

    def _prepare(self, w_x, w_h, b_x, b_h) -> None:
        """Keep one layer's (G H, D), (G H, H), (G H,), (G H,) weights in the order and scale that a step wants."""
        h = self.hidden_size
        order, halved = {"lstm": ((0, 1, 3, 2), 3), "gru": ((0, 1, 2), 2)}.get(self.settings.cell, ((0,), 0))
        rows = np.concatenate([np.arange(g * h, (g + 1) * h) for g in order])
        scale = np.ones(len(rows), dtype=np.float32)
        scale[: halved * h] = 0.5
        w_x, w_h, b_x, b_h = ((w[rows].T * scale).T for w in (w_x, w_h, b_x, b_h))
        new_bias = np.zeros(h, dtype=np.float32)
        if self.settings.cell == "gru":  # the reset gate acts on W h + b, so this part of b cannot join the input's
            new_bias, b_h = b_h[2 * h :].copy(), np.concatenate((b_h[: 2 * h], np.zeros(h, dtype=np.float32)))
        self.inputs.append(np.ascontiguousarray(w_x.T))
        self.recurrent.append(np.ascontiguousarray(w_h.T))
        self.biases.append(b_x + b_h)
        self.new_biases.append(new_bias)

    def start(self, rows: int = 1) -> State:
        """The zero state."""
        zeros = [np.zeros((rows, self.hidden_size), dtype=np.float32) for _ in range(2 * self.layers)]
        return State(zeros[: self.layers], zeros[self.layers :] if self.settings.cell == "lstm" else [])

    def step(self, ids: np.ndarray, state: State) -> np.ndarray:
        """(N,) ids, state -> (N, V) logits; `state` moves on in place."""
        return self.read_out(self.advance(ids, state))

    def read_out(self, hidden: np.ndarray) -> np.ndarray:
        """(..., H) states of the last layer -> (..., V) logits."""
        return hidden @ self.decoder + self.decoder_bias

    def advance(self, ids: np.ndarray, state: State) -> np.ndarray:
        """(N,) ids, state -> (N, H) new h of the last layer; `state` moves on in place."""
        gates = self.table[ids]
        for layer in range(self.layers):
            if layer:
                gates = state.h[layer - 1] @ self.inputs[layer]
                gates += self.biases[layer]
            self._cell(gates, layer, state)
        return state.h[-1]

    def _cell(self, gates: np.ndarray, layer: int, state: State) -> None:
        """(N, G H) input products -> the layer's next h (and c), in place."""
        h, width = state.h[layer], self.hidden_size
        recurrent = h @ self.recurrent[layer]
        if self.settings.cell == "gru":
            gates[:, : 2 * width] += recurrent[:, : 2 * width]
            smooth = np.tanh(gates[:, : 2 * width])
            smooth += 1
            smooth *= 0.5
            new = recurrent[:, 2 * width :]
            new += self.new_biases[layer]
            new *= smooth[:, :width]
            new += gates[:, 2 * width :]
            np.tanh(new, out=new)
            h -= new
            h *= smooth[:, width:]
            h += new
            return
        gates += recurrent
        if self.settings.cell != "lstm":
            np.tanh(gates, out=h)
            return
        np.tanh(gates, out=gates)
        smooth = gates[:, : 3 * width]
        smooth += 1
        smooth *= 0.5
        c = state.c[layer]
        c *= gates[:, width : 2 * width]
        c += gates[:, :width] * gates[:, 3 * width :]
        np.tanh(c, out=h)
        h *= gates[:, 2 * width : 3 * width]


def layer_weights(settings: ModelSettings, weights: dict[str, np.ndarray], layer: int) -> tuple[np.ndarray, ...]:
    """W_x (G H, D), W_h (G H, H), b_x, b_h of one layer, in torch's gate order."""
    if settings.cell == "handwritten":
        joint, bias, d = weights["rnn.cell.weight"], weights["rnn.cell.bias"], settings.embedding_size
        return joint[:, :d], joint[:, d:], bias, np.zeros_like(bias)
    return tuple(weights[f"rnn.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
