"""Every setting, once: default, bounds, label and help. The page, the command line and checkpoints read them here.

Settings are frozen dataclasses checked on construction; all that is wrong is reported together. A setting whose type
allows None and whose value is None is chosen from the text, the time budget and the machine (see `sizing.py`).
"""

from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any, get_args, get_type_hints

from .errors import SettingsError


NOTHING = "nothing"  # the start of a training from random weights
BUDGETS = ("minutes", "epochs", "steps")


def setting(default, label: str, help: str, *, low=None, high=None, choices: tuple = (), length: int = 1000) -> Any:
    """A dataclass field that carries what a person needs to know to set it; `length` limits free text."""
    metadata = dict(label=label, help=help, low=low, high=high, choices=choices, length=length)
    return field(default=default, metadata=metadata)


def type_of(group: type, f: Field) -> type:
    """The plain type of a setting: bool, int, float or str."""
    hint = get_type_hints(group)[f.name]
    return next((t for t in get_args(hint) if t is not type(None)), hint)


def optional(group: type, f: Field) -> bool:
    """Whether a setting may be None, that is, chosen for the person."""
    return type(None) in get_args(get_type_hints(group)[f.name])


def bounds(f: Field) -> str:
    """The allowed values in words."""
    if f.metadata["choices"]:
        return "one of " + ", ".join(f.metadata["choices"])
    if f.metadata["low"] is not None:
        return f"from {f.metadata['low']:g} to {f.metadata['high']:,}"
    return "yes or no" if isinstance(f.default, bool) else f"text of at most {f.metadata['length']:,} characters"


def _checked(f: Field, kind: type, value):
    """`value` as `kind`, within the bounds of `f`; ValueError in words otherwise."""
    name = f"{f.metadata['label']} ({f.name})"
    if value is None:
        if f.default is None or f.name in BUDGETS:
            return None
        raise ValueError(f"{name} is missing")
    try:
        if kind is bool:
            if value not in (True, False):
                raise ValueError
            return bool(value)
        if isinstance(value, bool) or (kind is int and float(value) != int(float(value))):
            raise ValueError
        value = int(float(value)) if kind is int and not isinstance(value, int) else kind(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {value!r}, but must be {bounds(f)}") from None
    low, high, choices = f.metadata["low"], f.metadata["high"], f.metadata["choices"]
    too_long = kind is str and len(value) > f.metadata["length"]
    if too_long or (choices and value not in choices) or (low is not None and not low <= value <= high):
        raise ValueError(f"{name} is {value!r}, but must be {bounds(f)}")
    return value


class Checked:
    """Base of the settings groups: brings every value to its type and refuses what is out of bounds."""

    def __post_init__(self):
        problems = []
        for f in fields(self):
            try:
                object.__setattr__(self, f.name, _checked(f, type_of(type(self), f), getattr(self, f.name)))
            except ValueError as problem:
                problems.append(str(problem))
        problems += self.conflicts() if not problems else []
        if problems:
            raise SettingsError(
                "Reading the settings", "; ".join(problems), "Change what is named here and leave the rest"
            )

    def conflicts(self) -> list[str]:
        """What is wrong between settings that are each within their bounds."""
        return []


@dataclass(frozen=True)
class CorpusSettings(Checked):
    """How a text is read before a model sees it."""

    lowercase: bool = setting(False, "Lower-case the text", "Fewer characters to learn, but no capitals in the result.")
    min_count: int = setting(
        1,
        "Rarest character kept",
        "Characters that occur less often are replaced by their plain form, or left out.",
        low=1,
        high=10_000,
    )
    validation_share: float = setting(
        0.1,
        "Validation share",
        "How much of the end of the text is kept aside to check the model on.",
        low=0.01,
        high=0.5,
    )


@dataclass(frozen=True)
class ModelSettings(Checked):
    """The network: ids (N, T) -> embedding D -> `num_layers` recurrent layers of H units -> logits (N, T, V); `members` times."""

    cell: str = setting(
        "lstm",
        "Cell",
        "How memory is kept: lstm learns best, gru is lighter, rnn is the classic, handwritten is the one to read.",
        choices=("lstm", "gru", "rnn", "handwritten"),
    )
    hidden_size: int | None = setting(
        None, "Hidden size", "Units of memory in each layer: more can learn more and take longer.", low=1, high=4096
    )
    embedding_size: int | None = setting(
        None, "Embedding size", "Numbers that stand for one character on its way in.", low=1, high=2048
    )
    num_layers: int = setting(1, "Layers", "Recurrent layers on top of each other.", low=1, high=8)
    dropout: float | None = setting(
        None, "Dropout", "Share of units silenced at random while training, against learning by heart.", low=0, high=0.9
    )
    recurrent_dropout: float | None = setting(
        None, "Recurrent dropout", "Share of the weights from one step to the next that are silenced likewise.", low=0, high=0.9
    )
    members: int | None = setting(
        None, "Members", "Networks of this size that learn side by side; the mean of their scores is the model's.", low=1, high=16
    )

    def conflicts(self):
        if self.cell == "handwritten" and (self.num_layers > 1 or self.recurrent_dropout):
            return [
                "the handwritten cell has one layer (num_layers) and no recurrent dropout (recurrent_dropout); "
                "use the rnn cell for more"
            ]
        return []


@dataclass(frozen=True)
class TrainingSettings(Checked):
    """How the network learns. Exactly one of minutes, epochs and steps is the budget."""

    minutes: float | None = setting(
        3.0, "Minutes", "How long to train; the whole schedule is fitted into this time.", low=0.02, high=10_080
    )
    epochs: float | None = setting(
        None, "Epochs", "How many times to go through the text, instead of a time.", low=0.001, high=100_000
    )
    steps: int | None = setting(
        None, "Steps", "How many updates to make, instead of a time.", low=1, high=100_000_000
    )
    passes: float | None = setting(
        None,
        "Most passes",
        "A budget in minutes also ends after so many times through the text, since more would only be learned by heart.",
        low=0.1,
        high=100_000,
    )
    seq_length: int | None = setting(
        None, "Sequence length", "Characters the gradient flows back through (truncated BPTT).", low=2, high=2048
    )
    batch_size: int | None = setting(
        None, "Batch size", "Stretches of text read in parallel at each step.", low=1, high=4096
    )
    batching: str = setting(
        "streams",
        "Reading order",
        "streams reads on, passage by passage, and keeps its memory; windows starts afresh at random places.",
        choices=("streams", "windows"),
    )
    optimizer: str = setting(
        "muon",
        "Optimiser",
        "The rule that turns gradients into updates: muon (for the recurrent layers, with adamw beside it) learns faster.",
        choices=("muon", "adamw"),
    )
    learning_rate: float | None = setting(
        None, "Learning rate", "Size of the updates: too high diverges, too low crawls.", low=1e-6, high=1.0
    )
    schedule: str = setting(
        "linear",
        "Schedule",
        "linear and cosine warm up and then lower the learning rate to zero at the end; constant leaves it alone.",
        choices=("linear", "cosine", "constant"),
    )
    weight_decay: float = setting(
        0.01, "Weight decay", "Pulls weights towards zero a little at each step.", low=0, high=1
    )
    clip_norm: float = setting(
        1.0, "Gradient clipping", "Longest gradient allowed in one step; 0 switches it off.", low=0, high=1000
    )
    early_stop: bool = setting(
        True, "Stop early", "End when the model only learns the text by heart; the best model is kept in any case."
    )
    sample_temperature: float = setting(
        0.7, "Sample temperature", "Temperature of the samples shown while training; 0 is greedy.", low=0, high=2
    )
    threads: int | None = setting(
        None,
        "Threads",
        "Processor threads. Left open, a budget in minutes uses whatever is fastest at the moment, and any other one thread, "
        "so that the result is the same each time.",
        low=1,
        high=256,
    )
    start: str | None = setting(
        None,
        "Start from",
        f"A bundled model to go on from, by name, or {NOTHING}. Left open, short texts that resemble the songbook start from it.",
    )
    seed: int = setting(1, "Training seed", "The same seed gives the same training.", low=0, high=2**31 - 1)

    def conflicts(self):
        budgets = [name for name in BUDGETS if getattr(self, name) is not None]
        if len(budgets) == 1:
            return []
        return ["the budget must be exactly one of minutes, epochs and steps, not " + (" and ".join(budgets) or "none")]


@dataclass(frozen=True)
class SamplingSettings(Checked):
    """How text is drawn from a model."""

    temperature: float = setting(
        0.7, "Temperature", "Low is careful and repeats itself, high is daring and misspells.", low=0, high=2
    )
    length: int = setting(400, "Length", "Characters to write.", low=1, high=20_000)
    seed: int = setting(1, "Seed", "The same seed gives the same text.", low=0, high=2**31 - 1)
    top_k: int = setting(0, "Top-k", "Choose among the k likeliest characters only; 0 is all.", low=0, high=100_000)
    top_p: float = setting(
        1.0, "Top-p", "Choose among the likeliest characters that together reach this probability.", low=0.01, high=1
    )
    lines: int = setting(0, "Stop after lines", "End after so many lines; 0 is never.", low=0, high=20_000)
    blank_line: bool = setting(False, "Stop at a blank line", "End where a verse or a paragraph ends.")
    stop: str = setting("", "Stop at", "End as soon as this has been written; empty is never.", length=200)
    repeat_guard: int = setting(
        0, "Repetition guard", "Never write the same so many characters twice; 0 allows it.", low=0, high=1000
    )


@dataclass(frozen=True)
class Settings:
    """All that defines a training: how the text is read, the network, and how it learns."""

    corpus: CorpusSettings = CorpusSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()

    @classmethod
    def of(cls, preset: str = "balanced", **overrides) -> "Settings":
        """A preset with some settings changed by name. Raises SettingsError naming all that is unknown or wrong."""
        if preset not in PRESETS:
            raise SettingsError(
                "Choosing a preset", f"there is none called {preset!r}", f"Choose one of {', '.join(PRESETS)}"
            )
        return cls().changed(**PRESETS[preset].changes).changed(**overrides)

    def changed(self, /, **overrides) -> "Settings":
        """A copy with settings of any group changed by name; a new budget takes the place of the old one."""
        if any(overrides.get(name) is not None for name in BUDGETS):
            overrides = {name: None for name in BUDGETS} | overrides
        known = {f.name for group in GROUPS for f in fields(group)}
        unknown = [name for name in overrides if name not in known]
        changed, problems = {}, [f"there is no setting called {', '.join(unknown)}"] if unknown else []
        for f in fields(self):
            group = getattr(self, f.name)
            mine = {g.name: overrides[g.name] for g in fields(group) if g.name in overrides}
            try:
                changed[f.name] = replace(group, **mine)
            except SettingsError as error:
                problems.append(error.happened)
        if problems:
            raise SettingsError(
                "Reading the settings", "; ".join(problems), "Change what is named here and leave the rest"
            )
        return Settings(**changed)

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> "Settings":
        """The settings that `to_dict` gave. Raises SettingsError on anything unknown or out of bounds."""
        if not isinstance(data, dict) or not all(isinstance(data.get(f.name, {}), dict) for f in fields(cls)):
            raise SettingsError("Reading the settings", "they are not the groups expected", "Use an unedited config.json")
        groups = {f.name: data.get(f.name, {}) for f in fields(cls)}
        flat = {name: value for group in groups.values() for name, value in group.items()}
        return cls().changed(**flat)


GROUPS = (CorpusSettings, ModelSettings, TrainingSettings)


@dataclass(frozen=True)
class HostSettings(Checked):
    """What the host of the page decides. Each is also an environment variable: CHARRNN_ and its name in capitals."""

    host: str | None = setting(None, "Host", "Address to listen on; by default this machine alone, on a Space everyone.")
    port: int | None = setting(None, "Port", "Port to listen on; by default the first free one from 7860.", low=0, high=65535)
    runs: str = setting("checkpoints", "Runs folder", "Where the runs' folders are kept.")
    max_megabytes: float = setting(100.0, "Largest text", "Megabytes a text may have.", low=0.001, high=10_000)
    max_minutes: float = setting(720.0, "Longest training", "Minutes one training may take.", low=0.02, high=100_000)
    active: int = setting(1, "Trainings at a time", "How many may run side by side.", low=1, high=64)
    waiting: int = setting(20, "Queue", "How many may wait for their turn.", low=0, high=10_000)


@dataclass(frozen=True)
class Preset:
    """A named choice of settings, with a sentence for the person who chooses."""

    label: str
    help: str
    changes: dict


PRESETS = {
    "quick": Preset("Quick", "About 1 minute: the first words appear.", {"minutes": 1.0}),
    "balanced": Preset("Balanced", "About 3 minutes: lines that mostly hold.", {"minutes": 3.0}),
    "best": Preset("Best", "About 10 minutes: as good as a text of a megabyte or less makes it.", {"minutes": 10.0}),
    "long": Preset("Long", "About 30 minutes: for books, source code and other texts of many megabytes.", {"minutes": 30.0}),
    "classic": Preset(
        "Classic",
        "The teaching notebook's own training: a small hand-written cell and 50 slow passes. For learning, not for results.",
        {
            "lowercase": True,
            "cell": "handwritten",
            "embedding_size": 24,
            "hidden_size": 64,
            "dropout": 0.0,
            "recurrent_dropout": 0.0,
            "members": 1,
            "seq_length": 100,
            "batch_size": 32,
            "batching": "windows",
            "optimizer": "adamw",
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "schedule": "constant",
            "clip_norm": 0.0,
            "early_stop": False,
            "start": NOTHING,
            "sample_temperature": 0.0,
            "epochs": 50.0,
        },
    ),
}
