"""The rule that turns gradients into updates: Muon for the recurrent layers, AdamW for the rest, or AdamW for all.

A plain step follows the gradient's few large singular directions and barely moves along the many small ones. Muon
replaces the (momentum-averaged) gradient of a matrix, U S V', by U V': the nearest matrix with orthonormal rows or
columns. Sources of the formulas: K. Jordan, "Muon: an optimizer for hidden layers" (2024; Nesterov momentum, the
odd-polynomial iteration, the sqrt(rows / columns) scale); N. Amsel, D. Persson, C. Musco, R. Gower, "The Polar Express"
(arXiv 2505.16932, 2025; a different best polynomial at each iteration, found by the Remez exchange).

What keeps it below the cost of the model here, each measured to change nothing in what is learned:
- three iterations with polynomials made for three, instead of five with one for all;
- scaling by the Frobenius norm of the Gram matrix, which the first iteration needs anyway and which bounds the
  largest singular value more tightly than the matrix's own, so that the small ones start higher;
- a step on the matrices every eighth call, eight times as long: the average over some twenty gradients hardly turns
  in between. Momentum still sees every gradient;
- all gates of a layer in one batched product.
"""

import math

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from .settings import TrainingSettings

MUON_RATE = 10 / 3  # Muon's rate for one of AdamW's: 0.02 beside 0.006


def make_optimizers(model: nn.Module, settings: TrainingSettings) -> list[Optimizer]:
    """The optimisers of a model's parameters; set their rates by `set_rate`.

    AdamW (Loshchilov & Hutter 2019) decays matrices only, not embeddings or biases.
    """
    named = dict(model.named_parameters())
    recurrent = [p for name, p in named.items() if name.startswith("rnn.weight")] if settings.optimizer == "muon" else []
    rest = {name: p for name, p in named.items() if not any(p is q for q in recurrent)}
    decayed = [p for name, p in rest.items() if p.ndim > 1 and "embedding" not in name]
    others = [p for name, p in rest.items() if p.ndim < 2 or "embedding" in name]
    groups = [dict(params=decayed, weight_decay=settings.weight_decay), dict(params=others, weight_decay=0.0)]
    optimizers: list[Optimizer] = [AdamW(groups, betas=(0.9, 0.99), fused=True)]
    if recurrent:
        blocks = recurrent[0].shape[0] // model.settings.hidden_size
        optimizers.append(Muon(recurrent, blocks=blocks))
    return optimizers


def set_rate(optimizers: list[Optimizer], rate: float) -> None:
    """Give all optimisers the learning rate that stands for `rate` in AdamW."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * MUON_RATE if isinstance(optimizer, Muon) else rate


# x -> a x + b x^3 + c x^5, the best such triple for singular values in [0.03, 1], then for what the one before left;
# the three together carry that range into [0.96, 1.04], and smaller values to 44 times themselves.
POLYNOMIALS = (
    (7.3625, -20.7434, 15.1606),
    (2.9175, -2.1824, 0.4755),
    (2.0463, -1.4295, 0.3934),
)


def orthogonalise(matrices: Tensor) -> Tensor:
    """(B, rows, columns) -> the same shape: each matrix U S V' becomes about U V'."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices  # the Gram matrix over the shorter side is the smaller one
    gram = torch.bmm(x, x.mT)
    bound = torch.linalg.vector_norm(gram, dim=(1, 2), keepdim=True).clamp_min(1e-30)  # >= largest singular value ** 2
    gram, x = gram / bound, x / bound.sqrt()
    for count, (a, b, c) in enumerate(POLYNOMIALS):
        if count:
            gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(Optimizer):
    """Muon over weight matrices that stack `blocks` matrices along their rows (an LSTM's gates: 4, a GRU's: 3).

    Arguments: `lr`, the length of one step in every direction; `momentum`; `weight_decay` (decoupled); `every`, the
    calls between two steps on the matrices; `blocks`. All can differ between parameter groups. Embeddings, biases and the
    output layer belong to AdamW, not here. The state of a parameter is its momentum and its count of calls, both in
    state_dict, so a stopped run continues bit for bit.
    """

    def __init__(self, params, lr=0.02, momentum=0.95, weight_decay=0.0, every=8, blocks=1):
        if lr < 0 or not 0 <= momentum < 1 or weight_decay < 0 or every < 1 or blocks < 1:
            raise ValueError(f"Muon: bad setting among {lr=}, {momentum=}, {weight_decay=}, {every=}, {blocks=}")
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "every": every, "blocks": blocks}
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2 or parameter.shape[0] % group["blocks"]:
                    raise ValueError(f"Muon: {tuple(parameter.shape)} is no stack of {group['blocks']} matrices")

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter, group):
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
            state["calls"] = torch.zeros(())
        velocity = state["momentum"]
        torch.add(parameter.grad, velocity, alpha=group["momentum"], out=velocity)
        state["calls"] += 1
        if state["calls"] % group["every"]:
            return
        ahead = parameter.grad.add(velocity, alpha=group["momentum"])  # Nesterov: where the next average will point
        ahead = ahead.view(group["blocks"], -1, parameter.shape[1])
        direction = orthogonalise(ahead).reshape(parameter.shape)
        length = group["lr"] * group["every"]
        parameter.mul_(1 - length * group["weight_decay"])
        parameter.add_(direction, alpha=-length * math.sqrt(max(1.0, ahead.shape[1] / ahead.shape[2])))
