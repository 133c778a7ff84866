"""One network while it learns: its optimisers, the memory it carries from chunk to chunk, the random numbers of its dropout.

Shapes: N sequences, T steps. Loss is in nats/char.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .batches import Streams, Windows
from .model import CharRNN, State, detach
from .optimizer import make_optimizers, set_rate
from .settings import TrainingSettings


class Learner:
    """Takes one member of a model through its batches."""

    def __init__(self, model: CharRNN, settings: TrainingSettings, batches: Streams | Windows, seed: int):
        self.model, self.batches, self.clip_norm = model, batches, settings.clip_norm
        self.optimizers = make_optimizers(model, settings)
        self.hidden: State | None = None
        model.generator.manual_seed(seed)

    def update(self, step: int, rate: float) -> float:
        """One step of truncated BPTT at a learning rate; returns the loss before it. A loss that is no number changes nothing."""
        inputs, targets, fresh = self.batches.batch(step)
        device = self.model.decoder.weight.device
        inputs, targets = (torch.from_numpy(ids).to(device) for ids in (inputs, targets))
        logits, hidden = self.model(inputs, self._memory(fresh))
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        value = loss.item()
        if math.isfinite(value):
            self.model.zero_grad(set_to_none=True)
            loss.backward()
            if self.clip_norm:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
            set_rate(self.optimizers, rate)
            for optimizer in self.optimizers:
                optimizer.step()
            self.hidden = detach(hidden)
        return value

    def _memory(self, fresh: np.ndarray) -> State | None:
        """The state that the last step left, with zeros in the rows that start afresh; None when all do."""
        if self.hidden is None or fresh.all():
            return None
        kept = torch.from_numpy(~fresh).to(self.model.decoder.weight.device)[:, None]
        return self.hidden * kept if isinstance(self.hidden, Tensor) else tuple(s * kept for s in self.hidden)

    def tensors(self) -> dict[str, np.ndarray]:
        """All that is needed to go on from here, by name."""
        hidden = () if self.hidden is None else self.hidden if isinstance(self.hidden, tuple) else (self.hidden,)
        named = {f"model.{name}": w for name, w in self.model.state_dict().items()}
        named |= {f"hidden.{i}": h for i, h in enumerate(hidden)}
        named["random"] = self.model.generator.get_state()
        for number, optimizer in enumerate(self.optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                named |= {f"optimizer.{number}.{index}.{name}": value for name, value in state.items()}
        return {name: value.cpu().numpy().copy() for name, value in named.items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from what `tensors` gave. Raises KeyError, RuntimeError, ValueError or TypeError when it is of another training."""
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        self.model.load_state_dict(below(tensors, "model."))
        hidden = tuple(h.to(self.model.decoder.weight.device) for h in below(tensors, "hidden.").values())
        self.hidden = None if not hidden else hidden if len(hidden) > 1 else hidden[0]
        self.model.generator.set_state(tensors["random"])
        for number, optimizer in enumerate(self.optimizers):
            states: dict[int, dict] = {}
            for name, value in below(tensors, f"optimizer.{number}.").items():
                index, key = name.split(".", 1)
                states.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def below(named: dict, prefix: str) -> dict:
    """The entries whose name starts with `prefix`, without it, in order of name."""
    return {name.removeprefix(prefix): named[name] for name in sorted(named) if name.startswith(prefix)}
