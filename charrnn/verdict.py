"""What a finished training amounts to, in words. Pure: events in, sentences out."""

import math
from dataclasses import dataclass

import numpy as np

from .events import Event, Finished, Started, Step, Validation

# Validation loss as a share of the unigram loss that the presets reach on English text, by characters of text. A language
# or a genre moves it; the sentences made from it therefore only speak of what is usual.
USUAL = ((3.7, 0.80), (4.7, 0.65), (5.3, 0.58), (6.05, 0.46), (7.0, 0.40), (8.0, 0.36))  # (log10 characters, share)


@dataclass(frozen=True)
class Verdict:
    """`headline` in one short sentence; `details` say what it rests on and what to try."""

    headline: str
    details: tuple[str, ...]


def verdict(events: list[Event], characters: int) -> Verdict | None:
    """Judge a training of a text of so many characters; None before its first validation."""
    validations = [event for event in events if isinstance(event, Validation)]
    started = next((event for event in events if isinstance(event, Started)), None)
    if not validations or started is None:
        return None
    best = min(validations, key=lambda event: event.loss)
    last = validations[-1]
    end = next((event for event in reversed(events) if isinstance(event, Finished)), None)
    details = [
        f"Validation loss {best.loss:.2f} nats ({best.loss / math.log(2):.2f} bits) per character, on text it never "
        f"trained on. Guessing blindly costs {started.uniform:.2f}, knowing only how frequent each character is "
        f"{started.unigram:.2f}; less is better."
    ]
    usual = float(np.interp(math.log10(max(characters, 1)), *zip(*USUAL)))
    share = best.loss / max(started.unigram, 1e-9)
    headline = (
        "Very good for a text of this size."
        if share < usual - 0.04
        else "Good: about what a text of this size allows."
        if share < usual + 0.05
        else "A fair start; there is more in this text."
        if share < 0.97
        else "It has hardly learned anything yet."
    )
    if last.loss > best.loss + 0.03:
        details.append(
            f"Overfitted towards the end: it began to learn the text by heart, and the loss on unseen text rose from "
            f"{best.loss:.2f} to {last.loss:.2f}. The model kept is the best one, from {_clock(best.elapsed)}. "
            "More text, more dropout or a smaller hidden size would help."
        )
    elif end and end.reason == "stopped":
        details.append("Stopped before its end: Resume goes on from here, and the last part brings the most.")
    elif best.loss - best.train_loss > 0.35:
        details.append(
            "It knows its training text much better than unseen text: somewhat overfitted. More text is the best remedy, "
            "then more dropout."
        )
    elif _still_falling(validations):
        details.append("Underfitted: the loss was still falling at the end. A longer preset will give a better model.")
    else:
        details.append("Neither under- nor overfitted: more text, or a longer preset, is what could still improve it.")
    if end and end.reason in ("early", "passes"):
        details.append("It ended early because more time would only have made it learn the text by heart.")
    return Verdict(headline, tuple(details))


def remaining(events: list[Event], minutes: float | None) -> float | None:
    """Seconds of training left, from its last step; from the budget before the first; None when nobody can tell."""
    step = next((event for event in reversed(events) if isinstance(event, Step)), None)
    if step is None or step.progress <= 0:
        return None if minutes is None else 60 * minutes
    left = step.elapsed * (1 - step.progress) / step.progress
    return left if minutes is None else min(left, max(0.0, 60 * minutes - step.elapsed))


def _still_falling(validations: list[Validation]) -> bool:
    """Whether the last quarter of the training still brought more than 0.04 nats."""
    late = [event for event in validations if event.elapsed >= 0.75 * validations[-1].elapsed]
    return late[0].loss - late[-1].loss > 0.04


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
