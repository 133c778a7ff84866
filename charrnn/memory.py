"""How far back a character matters: the gradient of the loss at the end of a text, character by character backwards.

Backpropagation through time (Werbos 1990) of the networks in model.py, in numpy; tests hold it equal to torch's. Only the
gradients of the embedded characters are worked out, since no weight is to be changed here.

Shapes: N texts, T characters, D embedding, H hidden, V vocabulary, G gates (rnn 1, gru 3, lstm 4).
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from .checkpoint import shapes
from .engine import layer_weights
from .settings import ModelSettings

REACH = 100  # characters looked back
ENDS = 8  # places in a text that are looked back from, at most
LARGEST = 256  # units of an untrained network to compare with
WORK = 4e9  # multiplications that may go into one answer


def gradient_norms(settings: ModelSettings, weights: dict[str, np.ndarray], ids: np.ndarray) -> np.ndarray:
    """(N, T + 1) ids -> (N, T): how strongly each character pulls on the loss of the last one, nearest first.

    Column d - 1 is the length of the vector d loss / d x for the embedded character x that stands d before the last; the
    loss is -ln p(last character), read from a zero state.
    """
    layers = [Layer(settings.cell, *layer_weights(settings, weights, i)) for i in range(settings.num_layers)]
    x = weights["embedding.weight"][ids[:, :-1].T]  # (T, N, D)
    for layer in layers:
        x = layer.forward(x)
    logits = x[-1] @ weights["decoder.weight"].T + weights["decoder.bias"]
    pull = np.exp(logits - logits.max(1, keepdims=True))
    pull /= pull.sum(1, keepdims=True)
    pull[np.arange(len(ids)), ids[:, -1]] -= 1  # d loss / d logits
    gradient = np.zeros_like(x)
    gradient[-1] = pull @ weights["decoder.weight"]
    for layer in reversed(layers):
        gradient = layer.backward(gradient)
    return np.linalg.norm(gradient, axis=2)[::-1].T


def influence(settings: ModelSettings, weights: dict[str, np.ndarray], ids: np.ndarray) -> np.ndarray:
    """(T,) ids -> (D,): mean gradient norm at distances 1, 2, ... as a share of that at distance 1.

    The mean is over up to ENDS places in the text, each seen from at most REACH characters on. T must be 2 or more.
    """
    length = min(REACH, len(ids) - 1)
    size = sum(w.size for w in weights.values())
    count = int(np.clip(WORK / (2 * size * length), 1, ENDS))
    starts = np.unique(np.linspace(0, len(ids) - 1 - length, count).astype(int))
    norms = gradient_norms(settings, weights, ids[starts[:, None] + np.arange(length + 1)]).mean(0)
    return norms / max(norms[0], np.finfo(norms.dtype).tiny)


def reach(shares: np.ndarray, least: float = 0.01) -> int:
    """The farthest distance at which the influence is still `least` of the nearest character's."""
    return int(np.flatnonzero(shares >= least)[-1]) + 1


def kept(settings: ModelSettings, weights: dict[str, np.ndarray], ids: np.ndarray) -> float | None:
    """Mean share of its memory that a unit of the first layer carries over from one of (T,) ids to the next.

    It is the mean of the lstm's forget gate or of the gru's update gate; None for cells that have no gate.
    """
    if settings.cell not in ("lstm", "gru"):
        return None
    layer = Layer(settings.cell, *layer_weights(settings, weights, 0))
    layer.forward(weights["embedding.weight"][ids[:, None]])
    return float(np.mean([tape[1] for tape in layer.tapes]))


@lru_cache(maxsize=8)
def untrained(settings: ModelSettings, vocabulary_size: int, cell: str) -> tuple[ModelSettings, dict[str, np.ndarray]]:
    """One layer of an rnn, gru or lstm, as wide as the model's (LARGEST at most), drawn as `model.CharRNN` draws it.

    The answer is shared: leave the arrays as they are.
    """
    h = min(settings.hidden_size, LARGEST)
    settings = replace(settings, cell=cell, num_layers=1, hidden_size=h)
    generator = np.random.default_rng(0)
    weights = {}
    for name, shape in shapes(settings, vocabulary_size).items():
        if name == "embedding.weight":
            w = generator.standard_normal(shape)
        elif name.startswith("decoder"):
            w = generator.uniform(-1, 1, shape) / np.sqrt(h)
        elif name.startswith("rnn.bias"):
            w = np.zeros(shape)
            if cell == "lstm" and "ih" in name:
                w[h : 2 * h] = 1
        elif "weight_hh" in name:
            w = np.concatenate([np.linalg.qr(generator.standard_normal((h, h)))[0] for _ in range(shape[0] // h)])
        else:
            w = generator.uniform(-1, 1, shape) * np.sqrt(6 / (h + shape[1]))
        weights[name] = w.astype(np.float32)
    return settings, weights


class Layer:
    """One recurrent layer that remembers its way forward (`tapes`, one a step), so that it can be walked back."""

    def __init__(self, cell: str, w_x: np.ndarray, w_h: np.ndarray, b_x: np.ndarray, b_h: np.ndarray):
        """(G H, D), (G H, H), (G H,), (G H,) weights in torch's order of gates."""
        self.w_x, self.w_h, self.b_x, self.b_h = w_x, w_h, b_x, b_h
        self.step, self.step_back = {"lstm": (_lstm, _lstm_back), "gru": (_gru, _gru_back)}.get(cell, (_rnn, _rnn_back))
        self.tapes: list[tuple] = []

    def forward(self, x: np.ndarray) -> np.ndarray:
        """(T, N, D) inputs -> (T, N, H) hidden states, from a zero state."""
        from_x = x @ self.w_x.T + self.b_x
        h = c = np.zeros((x.shape[1], self.w_h.shape[1]), dtype=x.dtype)
        hidden = []
        self.tapes = []
        for a_x in from_x:
            h, c, tape = self.step(a_x, h @ self.w_h.T + self.b_h, h, c)
            self.tapes.append(tape)
            hidden.append(h)
        return np.stack(hidden)

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        """(T, N, H) d loss / d hidden from above -> (T, N, D) d loss / d inputs."""
        d_x = np.empty((*gradient.shape[:2], len(self.w_x)), dtype=gradient.dtype)
        d_h = d_c = np.zeros_like(gradient[0])
        for t in reversed(range(len(gradient))):
            d_x[t], d_ah, d_h, d_c = self.step_back(gradient[t] + d_h, d_c, *self.tapes[t])
            d_h = d_h + d_ah @ self.w_h
        return d_x @ self.w_x


# One step of each cell: what comes from x and from h, (N, G H) each, and the old (N, H) h and c -> new h, c, tape.
# One step back: d h, d c and the tape -> d of what came from x and from h, and what reaches the old h and c directly.
# The second entry of a gated cell's tape is the gate that keeps memory.


def _rnn(a_x, a_h, h, c):
    h = np.tanh(a_x + a_h)
    return h, c, (h,)


def _rnn_back(d_h, d_c, h):
    d_a = d_h * (1 - h * h)  # the slope of tanh, at most 1: why gradients vanish
    return d_a, d_a, 0, d_c


def _gru(a_x, a_h, h, c):
    x_r, x_z, x_n = np.split(a_x, 3, 1)
    h_r, h_z, h_n = np.split(a_h, 3, 1)
    r, z = _sigmoid(x_r + h_r), _sigmoid(x_z + h_z)
    n = np.tanh(x_n + r * h_n)
    return n + z * (h - n), c, (r, z, n, h_n, h)


def _gru_back(d_h, d_c, r, z, n, h_n, h):
    d_n = d_h * (1 - z) * (1 - n * n)
    d_z = d_h * (h - n) * z * (1 - z)
    d_r = d_n * h_n * r * (1 - r)
    return np.hstack((d_r, d_z, d_n)), np.hstack((d_r, d_z, d_n * r)), d_h * z, d_c


def _lstm(a_x, a_h, h, c):
    i, f, g, o = np.split(a_x + a_h, 4, 1)
    i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
    new = f * c + i * g
    bent = np.tanh(new)
    return o * bent, new, (i, f, g, o, c, bent)


def _lstm_back(d_h, d_c, i, f, g, o, c, bent):
    d_c = d_c + d_h * o * (1 - bent * bent)
    d_a = np.hstack((d_c * g * i * (1 - i), d_c * c * f * (1 - f), d_c * i * (1 - g * g), d_h * bent * o * (1 - o)))
    return d_a, d_a, 0, d_c * f


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return (np.tanh(a / 2) + 1) / 2
