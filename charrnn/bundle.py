"""The models that come with charrnn: how each is made, and how to make it again."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .card import card
from .corpus import Corpus, bundled_folder, split
from .errors import SettingsError, TrainingError
from .evaluation import score
from .events import Event, Failed
from .runs import Run
from .settings import Settings
from .worker import train

SHORT = {"start": "songbook", "members": 1, "steps": 420, "dropout": 0.5, "batch_size": 8, "seq_length": 64}
LONG = {"steps": 2900, "members": 1, "hidden_size": 384, "embedding_size": 64, "dropout": 0.45, "batch_size": 8, "seq_length": 128}

# Name -> the text, the preset and what differs from it. Budgets are in steps and sizes are given, so that every machine
# makes the same model: some ten passes through the songbook, and six through the short texts, which start from its model.
MODELS = {
    "songbook": ("lyrics", "best", LONG),
    "songbook-classic": ("lyrics", "classic", {"steps": 9000}),
    "recipes": ("recipes", "best", SHORT),
    "tales": ("tales", "best", SHORT),
    "gazetteer": ("gazetteer", "best", SHORT),
}


def bundle(name: str, folder: Path) -> Iterator[Event]:
    """Train one of MODELS and put its two files and its card in `folder`, in the place of what is there.

    Raises SettingsError for an unknown name, TrainingError when the training fails.
    """
    if name not in MODELS:
        raise SettingsError("Making a bundled model", f"there is none called {name!r}", f"Choose one of {', '.join(MODELS)}")
    text, preset, changes = MODELS[name]
    settings = Settings.of(preset, **changes)
    corpus = Corpus.bundled(text, settings.corpus)
    with tempfile.TemporaryDirectory() as scratch:
        run = Run.create(Path(scratch) / name, corpus, settings, preset=preset)
        for event in train(run):
            yield event
            if isinstance(event, Failed):
                raise TrainingError(f"Making the model {name}", event.message, "Change its settings in bundle.py")
        model = run.load()
        held_out = corpus.text[split(len(corpus), settings.corpus.validation_share)[1]]
        written = card(name, model, score(model, held_out), command(name), "cc0-1.0")
        folder.mkdir(parents=True, exist_ok=True)
        for file in run.model_files:
            shutil.copy(file, folder / file.name)
        (folder / "README.md").write_text(written, encoding="utf-8")


def command(name: str) -> str:
    """The command line that makes one of MODELS from its text."""
    text, preset, changes = MODELS[name]
    flags = " ".join(f"--{setting.replace('_', '-')} {value}" for setting, value in changes.items())
    return f"python -m charrnn train {bundled_folder().name}/{text}.txt --preset {preset} {flags} --out checkpoints/{name}"
