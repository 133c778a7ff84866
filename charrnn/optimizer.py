"""The rule that turns gradients into updates."""

import torch
from torch import nn

from .settings import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); matrices decay, embeddings and biases do not."""
    decayed = [p for name, p in model.named_parameters() if p.ndim > 1 and "embedding" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim < 2 or "embedding" in name]
    groups = [dict(params=decayed, weight_decay=settings.weight_decay), dict(params=rest, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99))
