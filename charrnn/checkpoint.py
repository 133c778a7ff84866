"""A model as a folder of two safe files: config.json (settings, vocabulary, origin) and model.safetensors.

Copy these two anywhere and they generate. Nothing here needs torch, and no pickle is ever read.
"""

import json
import platform
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from .engine import GATES, Engine, as_one
from .errors import CharRNNError, CheckpointError
from .files import replace
from .settings import ModelSettings, Settings
from .vocabulary import Vocabulary

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model from disk. `origin` says what it was trained on (name, sizes, fingerprint)."""

    settings: Settings
    vocabulary: Vocabulary
    weights: dict[str, np.ndarray]
    origin: dict

    @cached_property
    def engine(self) -> Engine:
        return Engine(self.settings.model, self.weights)

    @cached_property
    def as_one(self) -> tuple[ModelSettings, dict[str, np.ndarray]]:
        """Sizes and weights of the single network that computes what the members do together."""
        return as_one(self.settings.model, self.weights)


def save_config(folder: Path, settings: Settings, vocabulary: Vocabulary, origin: dict) -> None:
    """Write config.json. Raises RunError when the disk does not take it."""
    config = {
        "format": FORMAT,
        "settings": settings.to_dict(),
        "vocabulary": vocabulary.characters,
        "corpus": origin,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in ("torch", "numpy")},
    }
    replace(folder / CONFIG, (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode())


def save_weights(folder: Path, weights: dict[str, np.ndarray]) -> None:
    """Replace model.safetensors. Raises RunError when the disk does not take it; the old file is then intact."""
    replace(folder / WEIGHTS, safetensors.numpy.save(weights))


def load_config(folder: Path) -> tuple[Settings, Vocabulary, dict]:
    """Settings, vocabulary and origin from config.json. Raises CheckpointError."""
    tried = f"Opening the model in {folder}"
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            tried, f"there is no {CONFIG} in it", "Name the folder of a finished training; `charrnn runs` lists them"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(tried, f"{CONFIG} cannot be read ({error})", "Copy the file again from the original") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT or not isinstance(config.get("vocabulary"), str):
        raise CheckpointError(
            tried, f"{CONFIG} was not written by this version of charrnn", "Use a model that charrnn has trained"
        )
    try:
        settings = Settings.from_dict(config.get("settings"))
        origin = config.get("corpus")
        return settings, Vocabulary(config["vocabulary"]), origin if isinstance(origin, dict) else {}
    except CharRNNError as error:
        raise CheckpointError(tried, error.happened, "Copy config.json again from the original") from None


def load(folder: Path | str) -> Checkpoint:
    """The model in a folder. Raises CheckpointError when a file is missing, damaged or does not fit the other."""
    folder = Path(folder)
    settings, vocabulary, origin = load_config(folder)
    tried = f"Opening the model in {folder}"
    try:
        weights = safetensors.numpy.load((folder / WEIGHTS).read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            tried, "there are no weights in it yet", "Wait for the first validation, or resume the training"
        ) from None
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            tried, f"{WEIGHTS} is damaged or incomplete ({error})", "Copy the file again from the original"
        ) from None
    if settings.model.members is None:  # saved before a model could have several
        settings = settings.changed(members=1)
    expected = shapes(settings.model, len(vocabulary))
    found = {name: w.shape for name, w in weights.items()}
    if found != expected:
        name = next(n for n in {**expected, **found} if expected.get(n) != found.get(n))
        raise CheckpointError(
            tried,
            f"the weights are of another model: {name} is {found.get(name, 'missing')}, expected {expected.get(name, 'none')}",
            "Keep config.json and model.safetensors of one training together",
        )
    if not all(w.dtype == np.float32 and np.isfinite(w).all() for w in weights.values()):
        raise CheckpointError(tried, "some weights are not finite numbers", "Train the model again")
    return Checkpoint(settings, vocabulary, weights, origin)


def shapes(settings: ModelSettings, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
    """The name and shape of every weight of such a model. Raises CheckpointError when a size is open."""
    d, h = settings.embedding_size, settings.hidden_size
    if d is None or h is None:
        raise CheckpointError("Reading the sizes of a model", "some are missing", "Copy config.json again from the original")
    named = {
        "embedding.weight": (vocabulary_size, d),
        "decoder.weight": (vocabulary_size, h),
        "decoder.bias": (vocabulary_size,),
    }
    if settings.cell == "handwritten":
        named |= {"rnn.cell.weight": (h, d + h), "rnn.cell.bias": (h,)}
    else:
        rows = GATES[settings.cell] * h
        for layer in range(settings.num_layers):
            named |= {f"rnn.weight_ih_l{layer}": (rows, h if layer else d), f"rnn.weight_hh_l{layer}": (rows, h)}
            named |= {f"rnn.bias_ih_l{layer}": (rows,), f"rnn.bias_hh_l{layer}": (rows,)}
    return named if settings.members == 1 else {name: (settings.members, *shape) for name, shape in named.items()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
