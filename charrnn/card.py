"""A model's card: README.md beside its weights, in the Hub's format, with figures measured on the model itself."""

from dataclasses import replace

from .checkpoint import Checkpoint
from .sampling import generate
from .settings import SamplingSettings

TEMPERATURES = (0.3, 0.6, 1.0)
SAMPLE_LENGTH = 400


def card(name: str, model: Checkpoint, score: dict, command: str, licence: str) -> str:
    """The text of the card. `score` is what evaluation.score gave on text held out from training."""
    settings, origin = model.settings, model.origin
    sizes = settings.model
    parameters = sum(w.size for w in model.weights.values())
    members = "" if sizes.members == 1 else f"{sizes.members} side by side, each "
    samples = "\n\n".join(
        f"Temperature {t:g}, seed 1:\n\n```text\n{_sample(model, t)}\n```" for t in TEMPERATURES
    )
    return f"""---
license: {licence}
library_name: charrnn
pipeline_tag: text-generation
tags:
- character-level
- rnn
---

# {name}

A character-level {sizes.cell} that writes like [{origin["name"]}](../../data/{origin["name"]}.txt), trained by charrnn.

| | |
|---|---|
| trained on | the first {origin["training"]:,} of {origin["characters"]:,} characters |
| network | {members}{sizes.num_layers} x {sizes.cell}, {sizes.hidden_size} units, embedding {sizes.embedding_size}, dropout {sizes.dropout:g}, {parameters:,} parameters |
| vocabulary | {len(model.vocabulary)} characters{", lower-cased" if settings.corpus.lowercase else ""} |
| loss on the {score["chars"]:,} held-out characters | {score["nats_per_char"]:.3f} nats = {score["bits_per_char"]:.3f} bits per character (windows of {score["window"]} from a zero state) |
| the same, read in one pass | {score["carried_nats_per_char"]:.3f} nats = {score["carried_bits_per_char"]:.3f} bits per character |

Made by

    {command}

and used by

    python -m charrnn generate checkpoints/{name} --temperature 0.6

{samples}
"""


def _sample(model: Checkpoint, temperature: float) -> str:
    settings = replace(SamplingSettings(), temperature=temperature, length=SAMPLE_LENGTH)
    return "".join(generate(model.engine, model.vocabulary, "", settings)).strip()
