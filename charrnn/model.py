"""CharRNN: ids and state in, logits and state out.

Shapes: N sequences, T steps, D embedding, H hidden, V vocabulary, L layers.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .recurrence import GRU, LSTM, RNN, State
from .settings import ModelSettings


class CharRNN(nn.Module):
    """Embedding -> recurrent layers -> linear. The state is an argument and a return value, never kept here."""

    def __init__(self, settings: ModelSettings, vocabulary_size: int):
        """`settings` with every size given. Parameters are drawn from torch's global generator."""
        super().__init__()
        self.settings = settings
        d, h, layers = settings.embedding_size, settings.hidden_size, settings.num_layers
        self.generator = torch.Generator()  # of the dropout; whoever trains seeds it
        self.embedding = nn.Embedding(vocabulary_size, d)
        self.dropout = Dropout(settings.dropout, self.generator)
        self.recurrent_dropout = Dropout(settings.recurrent_dropout or 0.0, self.generator)
        if settings.cell == "handwritten":
            self.rnn = HandwrittenRNN(d, h)
        else:
            self.rnn = {"rnn": RNN, "gru": GRU, "lstm": LSTM}[settings.cell](d, h, layers, between=self.dropout)
            self._initialise()
        self.decoder = nn.Linear(h, vocabulary_size)

    @property
    def vocabulary_size(self) -> int:
        return self.decoder.out_features

    def _initialise(self) -> None:
        """Orthogonal recurrent weights, gate by gate (Saxe et al. 2014); Xavier input weights; zero biases, but 1 for
        the lstm's forget gate, so that it remembers until it has learned what to forget (Jozefowicz et al. 2015)."""
        h = self.settings.hidden_size
        for name, parameter in self.rnn.named_parameters():
            if name.startswith("weight_hh"):
                for gate in parameter.data.split(h):
                    nn.init.orthogonal_(gate)
            elif name.startswith("weight_ih"):
                for gate in parameter.data.split(h):
                    nn.init.xavier_uniform_(gate)
            else:
                nn.init.zeros_(parameter)
                if self.settings.cell == "lstm" and name.startswith("bias_ih"):
                    nn.init.ones_(parameter.data[h : 2 * h])

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(N, T) int64 ids, state -> (N, T, V) logits, state. No state means zeros.

        In training, some recurrent weights are silenced, the same ones for all T steps (Merity et al. 2018).
        """
        x = self.embedding(ids)
        hidden, state = functional_call(self.rnn, self._thinned(), (x, state)) if self.training else self.rnn(x, state)
        return self.decoder(self.dropout(hidden)), state

    def _thinned(self) -> dict[str, Tensor]:
        """The recurrent weights by name, some of them silenced."""
        named = self.rnn.named_parameters()
        return {name: self.recurrent_dropout(weight) for name, weight in named if name.startswith("weight_hh")}


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014) that costs one product on a CPU: its factors are drawn once, twice as many as are
    needed, and each call takes those from a random place on. On other devices, torch's own."""

    def __init__(self, rate: float, generator: torch.Generator):
        super().__init__()
        self.rate, self.generator = rate, generator
        self._factors = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape; in training, some values zero and the others larger to make up for it."""
        if not self.training or not self.rate:
            return x
        if x.device.type != "cpu":
            return nn.functional.dropout(x, self.rate)
        count = x.numel()
        if len(self._factors) < 2 * count or self._factors.dtype != x.dtype:
            # Always the same ones: the place alone differs from call to call, so it is all that a resumed training needs.
            drawn = torch.rand(2 * count, generator=torch.Generator().manual_seed(0))
            self._factors = (drawn >= self.rate).to(x.dtype).div_(1 - self.rate)
        at = int(torch.randint(count, (), generator=self.generator))
        return x * self._factors[at : at + count].view(x.shape)


class HandwrittenRNN(nn.Module):
    """The notebook's cell, to be read: one tanh layer, stepped character by character.

        h_t = tanh(W [x_t, h_{t-1}] + b)                                    (Elman 1990)

    It learns exactly what nn.RNN with one layer learns (there W is kept in two pieces, for x and for h), only slower,
    because Python takes every step.
    """

    def __init__(self, embedding_size: int, hidden_size: int):
        super().__init__()
        self.hidden_size = hidden_size
        self.cell = nn.Linear(embedding_size + hidden_size, hidden_size)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, T, D) embedded characters, (1, N, H) state -> (N, T, H) hidden states, (1, N, H) state."""
        h = x.new_zeros(len(x), self.hidden_size) if state is None else state[0]
        hidden = []
        for x_t in x.unbind(1):
            h = torch.tanh(self.cell(torch.cat((x_t, h), dim=1)))
            hidden.append(h)
        return torch.stack(hidden, 1), h[None]


def detach(state: State) -> State:
    """The same state with its history cut off: what truncated BPTT does between chunks."""
    return state.detach() if isinstance(state, Tensor) else tuple(s.detach() for s in state)
