"""A trained network in numpy, fast one character at a time: what generates and explains. It needs no torch.

Shapes: N rows, T steps, D embedding, H hidden, V vocabulary, L layers, G gates (rnn 1, gru 3, lstm 4), M members.
"""

from dataclasses import replace

import numpy as np

from .settings import ModelSettings

GATES = {"lstm": 4, "gru": 3, "rnn": 1, "handwritten": 1}


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
    """The network of `ensemble.Ensemble`, from the same weights; tests hold the two equal.

    Four things make a step cheap. The embedding and the first layer's input product are one table look-up by character.
    The lstm's tanh is written as a sigmoid, tanh(x) = 2 sigma(2 x) - 1, so that the same calls serve all gates, and exp is
    twice as fast as tanh in numpy. The factor in sigma(x) = 1 / (1 + exp(-x)) is part of the weights. Gates are the first
    dimension of every array, (G, N, H), so that each of them lies in one piece.

    The units of several members stand side by side, as if they were one network of `hidden_size` units. Only the products
    are made for each member alone.
    """

    def __init__(self, settings: ModelSettings, weights: dict[str, np.ndarray]):
        self.settings, self.layers = settings, settings.num_layers
        self.hidden_size = settings.members * settings.hidden_size
        self.limit = np.full(self.hidden_size, 80, dtype=np.float32)  # three times as fast to compare with as a single number
        members = split_members(settings, {name: np.asarray(w, dtype=np.float32) for name, w in weights.items()})
        self.decoder = np.concatenate([w["decoder.weight"].T for w in members]) / np.float32(len(members))  # (H, V)
        self.decoder_bias = np.mean([w["decoder.bias"] for w in members], axis=0)
        self.vocabulary_size = len(self.decoder_bias)
        self.inputs, self.biases, self.recurrent, self.new_biases = [], [], [], []
        for layer in range(self.layers):
            prepared = [self._prepared(*layer_weights(settings, w, layer)) for w in members]
            inputs, recurrent, biases, new_biases = zip(*prepared, strict=True)
            self.inputs.append(inputs)
            self.recurrent.append(recurrent)
            self.biases.append(np.concatenate(biases, axis=-1)[:, None])
            self.new_biases.append(np.concatenate(new_biases))
        tables = [w["embedding.weight"] @ inputs for w, inputs in zip(members, self.inputs[0], strict=True)]
        self.table = np.concatenate(tables, axis=-1) + self.biases[0]  # (G, V, H)

    def _prepared(self, w_x, w_h, b_x, b_h) -> tuple[np.ndarray, ...]:
        """One layer's (G H, D), (G H, H), (G H,), (G H,) weights -> (G, D, H), (G, H, H), (G, H), (H,), as a step wants them."""
        factors = {"lstm": (-1, -1, -2, -1), "gru": (-1, -1, 1)}.get(self.settings.cell, (1,))
        scale = np.float32(factors)[:, None]
        w_x, w_h = (w.reshape(len(factors), -1, w.shape[1]) * scale[..., None] for w in (w_x, w_h))
        b_x, b_h = (b.reshape(len(factors), -1) * scale for b in (b_x, b_h))
        new_bias = np.zeros_like(b_h[0])
        if self.settings.cell == "gru":  # the reset gate acts on W h + b, so this part of b cannot join the input's
            b_h[2], new_bias = 0, b_h[2].copy()
        return np.ascontiguousarray(w_x.swapaxes(1, 2)), np.ascontiguousarray(w_h.swapaxes(1, 2)), b_x + b_h, new_bias

    def _product(self, x: np.ndarray, weights: tuple[np.ndarray, ...]) -> np.ndarray:
        """(N, H) units, each member's (G, H / M, H / M) -> (G, N, H)."""
        if len(weights) == 1:
            return x @ weights[0]
        parts = np.split(x, len(weights), axis=1)
        return np.concatenate([part @ w for part, w in zip(parts, weights, strict=True)], axis=-1)

    def start(self, rows: int = 1) -> State:
        """The zero state."""
        zeros = [np.zeros((rows, self.hidden_size), dtype=np.float32) for _ in range(2 * self.layers)]
        return State(zeros[: self.layers], zeros[self.layers :] if self.settings.cell == "lstm" else [])

    def step(self, ids: np.ndarray, state: State) -> np.ndarray:
        """(N,) ids, state -> (N, V) logits; `state` moves on in place."""
        return self.read_out(self.advance(ids, state))

    def read_out(self, hidden: np.ndarray) -> np.ndarray:
        """(..., H) states of the last layer -> (..., V) logits."""
        logits = hidden @ self.decoder
        logits += self.decoder_bias
        return logits

    def advance(self, ids: np.ndarray, state: State) -> np.ndarray:
        """(N,) ids, state -> (N, H) new h of the last layer; `state` moves on in place."""
        gates = self.table.take(ids, 1)
        for layer in range(self.layers):
            if layer:
                gates = self._product(state.h[layer - 1], self.inputs[layer])
                gates += self.biases[layer]
            self._cell(gates, layer, state)
        return state.h[-1]

    def _cell(self, gates: np.ndarray, layer: int, state: State) -> None:
        """(G, N, H) input products -> the layer's next h (and c), in place."""
        h = state.h[layer]
        recurrent = self._product(h, self.recurrent[layer])
        if self.settings.cell == "gru":
            smooth, new = gates[:2], recurrent[2]
            smooth += recurrent[:2]
            sigmoid_of_minus(smooth, self.limit)
            new += self.new_biases[layer]
            new *= smooth[0]
            new += gates[2]
            np.tanh(new, out=new)
            h -= new
            h *= smooth[1]
            h += new
            return
        gates += recurrent
        if self.settings.cell != "lstm":
            np.tanh(gates[0], out=h)
            return
        sigmoid_of_minus(gates, self.limit)
        new, c = gates[2], state.c[layer]
        new *= 2
        new -= 1
        new *= gates[0]
        c *= gates[1]
        c += new
        np.tanh(c, out=h)
        h *= gates[3]


def sigmoid_of_minus(x: np.ndarray, limit: np.ndarray) -> None:
    """sigma(-x) in place of (..., H) x; (H,) `limit` is where exp would become too large for float32, and sigma is zero anyway."""
    np.minimum(x, limit, out=x)
    np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)


def layer_weights(settings: ModelSettings, weights: dict[str, np.ndarray], layer: int) -> tuple[np.ndarray, ...]:
    """W_x (G H, D), W_h (G H, H), b_x, b_h of one layer, in torch's gate order."""
    if settings.cell == "handwritten":
        joint, bias, d = weights["rnn.cell.weight"], weights["rnn.cell.bias"], settings.embedding_size
        return joint[:, :d], joint[:, d:], bias, np.zeros_like(bias)
    return tuple(weights[f"rnn.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))


def split_members(settings: ModelSettings, weights: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The weights of each member by themselves, from those of all, (M, ...) where M > 1."""
    if settings.members == 1:
        return [weights]
    return [{name: w[member] for name, w in weights.items()} for member in range(settings.members)]


def join_members(members: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What `split_members` takes apart."""
    return members[0] if len(members) == 1 else {name: np.stack([w[name] for w in members]) for name in members[0]}


def as_one(settings: ModelSettings, weights: dict[str, np.ndarray]) -> tuple[ModelSettings, dict[str, np.ndarray]]:
    """The members as a single network that computes the same: its units are theirs, none of which hears another member's."""
    m, h, d = settings.members, settings.hidden_size, settings.embedding_size
    if m == 1:
        return settings, weights

    def apart(blocks: np.ndarray) -> np.ndarray:
        """(M, G H, I) -> (G M H, M I), zero between members."""
        out = np.zeros((blocks.shape[1] // h, m, h, m, blocks.shape[2]), dtype=blocks.dtype)
        for member in range(m):
            out[:, member, :, member] = blocks[member].reshape(-1, h, blocks.shape[2])
        return out.reshape(-1, m * blocks.shape[2])

    joined = {}
    for name, w in weights.items():
        if name == "embedding.weight":
            joined[name] = np.concatenate(w, axis=1)
        elif name == "decoder.weight":
            joined[name] = np.concatenate(w, axis=1) / np.float32(m)
        elif name == "decoder.bias":
            joined[name] = w.mean(0)
        elif w.ndim == 2:
            joined[name] = w.reshape(m, -1, h).swapaxes(0, 1).ravel()
        elif name == "rnn.cell.weight":
            joined[name] = np.concatenate((apart(w[..., :d]), apart(w[..., d:])), axis=1)
        else:
            joined[name] = apart(w)
    return replace(settings, members=1, hidden_size=m * h, embedding_size=m * d), joined
