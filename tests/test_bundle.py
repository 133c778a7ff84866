"""The models that come with charrnn: small, complete, and as good as their cards say."""

import re

import pytest

from charrnn.bundle import MODELS, command
from charrnn.checkpoint import load
from charrnn.corpus import bundled_folder, split
from charrnn.evaluation import score
from charrnn.pretrained import bundled_checkpoints
from charrnn.sampling import generate
from charrnn.settings import SamplingSettings


@pytest.mark.parametrize("name", MODELS)
def test_a_bundled_model_is_what_its_card_says(name):
    folder = bundled_checkpoints() / name
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 4e6
    card, model = (folder / "README.md").read_text(encoding="utf-8"), load(folder)
    text = (bundled_folder() / f"{model.origin['name']}.txt").read_text(encoding="utf-8")
    held_out = text[split(len(text), model.settings.corpus.validation_share)[1]]
    found = score(model, held_out)
    assert f"{found['nats_per_char']:.3f} nats" in card and found["unknown"] == 0
    assert command(name) in card and all(f"Temperature {t}" in card for t in ("0.3", "0.6", "1"))


def test_the_songbook_writes_english_words_in_verses():
    model = load(bundled_checkpoints() / "songbook")
    known = {word for path in bundled_folder().glob("*.txt") for word in re.findall(r"[a-z']+", path.read_text().lower())}
    words, lines = [], []
    for seed in range(1, 11):
        settings = SamplingSettings(temperature=0.5, length=400, seed=seed)
        text = "".join(generate(model.engine, model.vocabulary, "", settings))
        words += re.findall(r"[a-z']+", text.lower())[:-1]
        lines += [line for line in text.split("\n")[:-1] if line]
    assert sum(word in known for word in words) > 0.9 * len(words)
    assert 20 < sum(map(len, lines)) / len(lines) < 60
