"""Starting a training from a model that comes with charrnn, instead of from random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from .checkpoint import Checkpoint, load
from .corpus import bundled_folder
from .engine import join_members, split_members
from .errors import SettingsError
from .insight import read_text, surprise
from .settings import NOTHING, Settings
from .vocabulary import Vocabulary

SONGBOOK = "songbook"
SHORT = 200_000  # characters; longer texts teach a model their language themselves
PASSES = 6.0  # through a text that is started from a trained model; it is learned by heart sooner than from nothing
LOOKED_AT = 2_000  # characters that show whether a model is familiar with a text


def bundled_checkpoints() -> Path:
    """The folder of the models that come with charrnn."""
    return bundled_folder().parent / "checkpoints"


def starting_model(settings: Settings, vocabulary: Vocabulary, ids: np.ndarray) -> tuple[Settings, Checkpoint | None]:
    """The model to start from, or None, and the settings with its name and its sizes.

    When the choice is left open, a text of (L,) `ids` that is short starts from the songbook, if the songbook's model already
    predicts it better than its letter counts do, and no size was given that this model does not have.
    Raises SettingsError when a model is named that is not there, or that a given size does not fit.
    """
    name = settings.training.start
    if name == NOTHING or (name is None and len(ids) >= SHORT):
        return settings.changed(start=NOTHING), None
    folder = bundled_checkpoints() / (name or SONGBOOK)
    if folder.parent != bundled_checkpoints() or not folder.is_dir():
        if name is None:
            return settings.changed(start=NOTHING), None
        raise SettingsError(
            "Starting from a trained model", f"none called {name!r} comes with charrnn", f"Use {NOTHING!r} or a bundled model"
        )
    model = load(folder)
    sizes = {key: getattr(model.settings.model, key) for key in ("cell", "hidden_size", "embedding_size", "num_layers")}
    other = [key for key, value in sizes.items() if getattr(settings.model, key) not in (None, value)]
    if name is None and (other or not familiar(model, vocabulary, ids)):
        return settings.changed(start=NOTHING), None
    if other:
        raise SettingsError(
            f"Starting from {name}",
            "; ".join(f"{key} is {getattr(settings.model, key)}, but the model's is {sizes[key]}" for key in other),
            f"Leave the sizes open, or start from {NOTHING}",
        )
    return settings.changed(start=folder.name, passes=settings.training.passes or PASSES, **sizes), model


def familiar(model: Checkpoint, vocabulary: Vocabulary, ids: np.ndarray) -> bool:
    """Whether the model predicts the beginning of a text better than the text's own character counts do."""
    text = vocabulary.decode(ids[:LOOKED_AT])
    known = model.vocabulary.encode(model.vocabulary.adapt(text).text)
    if len(known) < max(2, 0.9 * len(text)):
        return False
    counts = np.bincount(known)
    shares = counts[counts > 0] / len(known)
    return surprise(read_text(model.engine, known)).mean() < -(shares * np.log2(shares)).sum()


def transplant(model: Checkpoint, vocabulary: Vocabulary, members: int, fresh: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of `model` for another vocabulary and so many members, each beginning as one of the model's.

    A character that the model lacks keeps its row of the `fresh` weights.
    """
    given = split_members(model.settings.model, model.weights)
    own = split_members(replace(model.settings.model, members=members), fresh)
    return join_members([_transplanted(given[i % len(given)], own[i], model.vocabulary, vocabulary) for i in range(members)])


def _transplanted(given: dict, fresh: dict, known: Vocabulary, vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    """The same for one member, of a model that knew the `known` characters."""
    shared = [c for c in vocabulary.characters if c in known]
    to, from_ = [vocabulary.stoi[c] for c in shared], [known.stoi[c] for c in shared]
    weights = {name: w.copy() for name, w in given.items()}
    for name in ("embedding.weight", "decoder.weight", "decoder.bias"):  # those with a row for each character
        weights[name] = fresh[name].copy()
        weights[name][to] = given[name][from_]
    return weights
