"""Starting from a bundled model: what is kept, what is fresh, and when it is chosen."""

from dataclasses import replace

import numpy as np
import pytest

from charrnn.checkpoint import load, shapes
from charrnn.corpus import Corpus
from charrnn.errors import SettingsError
from charrnn.pretrained import SHORT, bundled_checkpoints, familiar, starting_model, transplant
from charrnn.settings import NOTHING, Settings
from charrnn.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def songbook():
    return load(bundled_checkpoints() / "songbook")


ENGLISH = Corpus.from_text("The miller's daughter carried the sacks to the mill, and the miller counted them twice.\n" * 30)
RUSSIAN = Corpus.from_text("Однажды в студёную зимнюю пору я из лесу вышел; был сильный мороз.\n" * 30)


def test_shared_characters_keep_their_rows_and_others_stay_fresh(songbook):
    vocabulary = Vocabulary("aeé漢")
    rows = {name: (len(vocabulary), *songbook.weights[name].shape[1:]) for name in ("embedding.weight", "decoder.weight", "decoder.bias")}
    fresh = {name: np.full(shape, 7.0, dtype=np.float32) for name, shape in rows.items()}
    weights = transplant(songbook, vocabulary, 1, fresh)
    for name in rows:
        for i, c in enumerate(vocabulary.characters):
            expected = songbook.weights[name][songbook.vocabulary.stoi[c]] if c in "ae" else fresh[name][i]
            assert (weights[name][i] == expected).all()
    for name in songbook.weights.keys() - rows.keys():
        assert (weights[name] == songbook.weights[name]).all()
    assert all(w is not songbook.weights[name] for name, w in weights.items())


def test_each_member_starts_from_the_model(songbook):
    vocabulary = Vocabulary("ae漢")
    settings = replace(songbook.settings.model, members=2)
    fresh = {name: np.full(shape, 7.0, dtype=np.float32) for name, shape in shapes(settings, len(vocabulary)).items()}
    fresh["embedding.weight"][1] = 8.0
    both = transplant(songbook, vocabulary, 2, fresh)
    assert {name: w.shape for name, w in both.items()} == {name: w.shape for name, w in fresh.items()}
    assert (both["embedding.weight"][:, 2] == [[7.0], [8.0]]).all()  # each keeps its own of what the model does not know
    for name in both.keys() - {"embedding.weight"}:
        assert (both[name][0] == both[name][1]).all()


def test_a_model_is_familiar_with_its_own_language_only(songbook):
    assert familiar(songbook, ENGLISH.vocabulary, ENGLISH.ids)
    assert not familiar(songbook, RUSSIAN.vocabulary, RUSSIAN.ids)
    letters = np.random.default_rng(1).integers(0, 26, 3000)
    noise = Corpus.from_text("".join(chr(97 + i) for i in letters))
    assert not familiar(songbook, noise.vocabulary, noise.ids)


@pytest.mark.parametrize(
    ("corpus", "changes", "chosen"),
    [
        (ENGLISH, {}, "songbook"),
        (RUSSIAN, {}, NOTHING),
        (ENGLISH, {"hidden_size": 32}, NOTHING),
        (ENGLISH, {"cell": "gru"}, NOTHING),
        (ENGLISH, {"start": NOTHING}, NOTHING),
        (ENGLISH, {"start": "tales"}, "tales"),
        (RUSSIAN, {"start": "songbook"}, "songbook"),
    ],
)
def test_the_choice(corpus, changes, chosen):
    settings, model = starting_model(Settings.of("quick", **changes), corpus.vocabulary, corpus.ids)
    assert settings.training.start == chosen and (model is None) == (chosen == NOTHING)
    if model:
        assert settings.model.hidden_size == model.settings.model.hidden_size


def test_a_long_text_needs_no_start():
    ids = np.zeros(SHORT, dtype=np.uint8)
    assert starting_model(Settings.of("quick"), ENGLISH.vocabulary, ids)[1] is None


@pytest.mark.parametrize("changes", [{"start": "atlantis"}, {"start": "../checkpoints/songbook"}, {"start": "songbook", "hidden_size": 8}])
def test_what_cannot_be_started_from_is_said(changes):
    with pytest.raises(SettingsError):
        starting_model(Settings.of("quick", **changes), ENGLISH.vocabulary, ENGLISH.ids)


def test_the_classic_starts_from_nothing():
    settings, model = starting_model(Settings.of("classic"), ENGLISH.vocabulary, ENGLISH.ids)
    assert model is None and settings.model.cell == "handwritten"
