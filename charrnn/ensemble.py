"""M networks of one shape that learn side by side and whose logits are averaged.

What each of them gets wrong in its own way cancels out in the mean (Hansen & Salamon 1990), so two are better than one of
their joint size wherever a text is read more than a few times. They never wait for each other within a step, so each has a
thread of its own: on two cores, two small networks learn faster than one large one whose every product is shared out.

Shapes: N sequences, T steps, V vocabulary, M members.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from .engine import join_members, split_members
from .model import CharRNN, State
from .settings import ModelSettings


class Ensemble(nn.Module):
    """The `members` of a model, each a CharRNN; with one member, that network itself."""

    def __init__(self, settings: ModelSettings, vocabulary_size: int):
        """`settings` with every size given. Parameters are drawn from torch's global generator, member after member."""
        super().__init__()
        self.settings = settings
        self.members = nn.ModuleList(CharRNN(settings, vocabulary_size) for _ in range(settings.members))
        self.threads = 1  # of the processor, for each member; more pay off only while no other program wants them
        self._pool = ThreadPoolExecutor(settings.members) if settings.members > 1 else None

    @property
    def vocabulary_size(self) -> int:
        return self.members[0].vocabulary_size

    def forward(self, ids: Tensor, states: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """(N, T) int64 ids, a state for each member -> (N, T, V) mean logits, states. No states means zeros."""
        given = zip(self.members, states or [None] * len(self.members), strict=True)
        results = self.side_by_side(lambda member: member[0](ids, member[1]), given)
        return sum(logits for logits, _ in results) / len(results), [state for _, state in results]

    def side_by_side(self, work: Callable, items: Iterable) -> list:
        """[work(item) for item in items], one item for each member; on a CPU, all at once."""
        grad, at_once = torch.is_grad_enabled(), self._pool and next(self.parameters()).device.type == "cpu"

        def alone(item):
            if torch.get_num_threads() != self.threads:  # a setting of the thread that asks; setting it anew costs caches
                torch.set_num_threads(self.threads)
            with torch.set_grad_enabled(grad):  # likewise
                return work(item)

        return list((self._pool.map if at_once else map)(alone, items))

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of all weights by name; those of M > 1 members stacked, (M, ...)."""
        return join_members([{name: w.cpu().numpy().copy() for name, w in member.state_dict().items()} for member in self.members])

    def load_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Take over what `weights` gave."""
        for member, own in zip(self.members, split_members(self.settings, weights), strict=True):
            member.load_state_dict({name: torch.from_numpy(w) for name, w in own.items()})
