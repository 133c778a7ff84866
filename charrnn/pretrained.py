"""Starting a training from a model that comes with charrnn, instead of from random weights."""

from pathlib import Path

import numpy as np

from .checkpoint import Checkpoint, load
from .corpus import bundled_folder
from .errors import SettingsError
from .settings import NOTHING, Settings
from .vocabulary import Vocabulary


def bundled_checkpoints() -> Path:
    """The folder of the models that come with charrnn."""
    return bundled_folder().parent / "checkpoints"


def starting_model(settings: Settings) -> tuple[Settings, Checkpoint | None]:
    """The model that `settings.training.start` names, or None, and the settings with its sizes.

    Raises SettingsError when there is no such model, or a size is given that it does not have.
    """
    name = settings.training.start
    if name in (None, NOTHING):
        return settings, None
    folder = bundled_checkpoints() / name
    if Path(name).name != name or not folder.is_dir():
        raise SettingsError(
            "Starting from a trained model", f"none called {name!r} comes with charrnn", f"Use {NOTHING!r} or a bundled model"
        )
    model = load(folder)
    sizes = {k: getattr(model.settings.model, k) for k in ("cell", "hidden_size", "embedding_size", "num_layers")}
    for key, value in sizes.items():
        if getattr(settings.model, key) not in (None, value):
            raise SettingsError(
                f"Starting from {name}",
                f"{key} is {getattr(settings.model, key)}, but the model's is {value}",
                f"Leave the sizes open, or start from {NOTHING}",
            )
    return settings.changed(**sizes), model


def transplant(model: Checkpoint, vocabulary: Vocabulary, fresh: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of `model` for another vocabulary: a character it lacks keeps its row of the `fresh` weights."""
    shared = [c for c in vocabulary.characters if c in model.vocabulary]
    to, from_ = [vocabulary.stoi[c] for c in shared], [model.vocabulary.stoi[c] for c in shared]
    weights = {name: w.copy() for name, w in model.weights.items()}
    for name in ("embedding.weight", "decoder.weight", "decoder.bias"):  # those with a row for each character
        weights[name] = fresh[name].copy()
        weights[name][to] = model.weights[name][from_]
    return weights
