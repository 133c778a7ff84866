"""What training says while it runs; one JSON object a line in a run's events.jsonl."""

import json
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Started:
    """The training is set up. Baselines are in nats/char on the validation part."""

    step: int
    elapsed: float
    parameters: int
    device: str
    uniform: float
    unigram: float
    reason: str = ""  # why these sizes were chosen, in one sentence


@dataclass(frozen=True)
class Step:
    """One update (or, on disk, the mean of the updates since the last such line). Loss in nats/char."""

    step: int
    elapsed: float
    epoch: float
    loss: float
    learning_rate: float
    speed: float  # characters per second
    progress: float  # share of the budget that is used up, 0 to 1


@dataclass(frozen=True)
class Validation:
    """The loss on text the model does not train on, nats/char; `train_loss` is the mean since the last validation."""

    step: int
    elapsed: float
    epoch: float
    loss: float
    train_loss: float
    best: bool


@dataclass(frozen=True)
class Sample:
    """What the model writes at this point."""

    step: int
    elapsed: float
    prime: str
    temperature: float
    seed: int
    text: str


@dataclass(frozen=True)
class Saved:
    """The model is on disk up to this step."""

    step: int
    elapsed: float


@dataclass(frozen=True)
class Finished:
    """The training ended without a fault. `reason` is "budget", "passes" (more would be learned by heart), "early"
    (validation turned for good) or "stopped"."""

    step: int
    elapsed: float
    reason: str
    best_loss: float | None  # None when it ended before its first update


@dataclass(frozen=True)
class Failed:
    """The training cannot go on; `message` says what happened and what to try."""

    step: int
    elapsed: float
    message: str


Event = Started | Step | Validation | Sample | Saved | Finished | Failed
KINDS = {kind.__name__.lower(): kind for kind in (Started, Step, Validation, Sample, Saved, Finished, Failed)}


def to_json(event: Event) -> str:
    """One line of JSON, without the line break."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)}, ensure_ascii=False)


def from_json(line: str) -> Event | None:
    """The event of a line, or None for a torn line or a kind this version does not know."""
    try:
        data = json.loads(line)
        kind = KINDS[data["event"]]
        return kind(**{f.name: data[f.name] for f in fields(kind) if f.name in data})
    except (ValueError, KeyError, TypeError):
        return None
