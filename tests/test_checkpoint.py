"""A model as two safe files."""

import json
import pickle
import shutil

import numpy as np
import pytest
import safetensors.numpy

from charrnn import checkpoint
from charrnn.errors import CheckpointError
from charrnn.ensemble import Ensemble
from charrnn.sampling import generate
from charrnn.settings import ModelSettings, SamplingSettings, Settings
from charrnn.vocabulary import Vocabulary


@pytest.fixture
def folder(trained, tmp_path):
    """A model alone: a copy of its two files, and nothing else."""
    for name in ("config.json", "model.safetensors"):
        shutil.copy(trained.folder / name, tmp_path)
    return tmp_path


def text_of(model) -> str:
    return "".join(generate(model.engine, model.vocabulary, "", SamplingSettings(length=50)))


def test_two_files_are_a_model(folder, trained):
    model, original = checkpoint.load(folder), trained.load()
    assert model.settings == original.settings and model.vocabulary == original.vocabulary
    assert text_of(model) == text_of(original)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
def test_save_and_load_is_a_round_trip(cell, layers, members, tmp_path):
    if cell == "handwritten" and layers > 1:
        pytest.skip("the handwritten cell has one layer")
    sizes = dict(hidden_size=5, embedding_size=3, num_layers=layers, dropout=0.1, members=members)
    settings = Settings.of("quick", cell=cell, min_count=2, **sizes)
    vocabulary = Vocabulary("\n \"'\\aé漢😀\u2028")
    weights = Ensemble(settings.model, len(vocabulary)).weights()
    checkpoint.save_config(tmp_path, settings, vocabulary, {"name": "n"})
    checkpoint.save_weights(tmp_path, weights)
    again = checkpoint.load(tmp_path)
    assert (again.settings, again.vocabulary, again.origin) == (settings, vocabulary, {"name": "n"})
    assert again.weights.keys() == weights.keys() == checkpoint.shapes(settings.model, len(vocabulary)).keys()
    for name, w in weights.items():
        assert again.weights[name].tobytes() == w.tobytes() and again.weights[name].shape == w.shape
    Ensemble(again.settings.model, len(again.vocabulary)).load_weights(again.weights)


def test_a_model_saved_before_there_were_members_has_one(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["settings"]["model"]["members"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert checkpoint.load(folder).settings.model.members == 1


def test_config_is_for_people_to_read(folder):
    raw = (folder / "config.json").read_text(encoding="utf-8")
    config = json.loads(raw)
    assert raw.startswith("{\n  ") and config["settings"]["model"]["hidden_size"] == 12
    assert set(config["versions"]) == {"python", "torch", "numpy"}


@pytest.mark.parametrize("name, words", [("config.json", "no config.json"), ("model.safetensors", "no weights")])
def test_a_missing_file_is_named(folder, name, words):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=words):
        checkpoint.load(folder)


@pytest.mark.parametrize("where", ["gone", "config.json"])
def test_a_missing_folder_or_a_file_in_its_place(folder, where):
    with pytest.raises(CheckpointError):
        checkpoint.load(folder / where)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_directory_in_place_of_a_file(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(CheckpointError):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_truncated_at_any_length(folder, name):
    whole = (folder / name).read_bytes()
    whole = whole.rstrip()  # without its last line break, config.json is still whole
    for length in sorted({*range(0, 40), *range(0, len(whole), max(1, len(whole) // 60)), len(whole) - 1}):
        (folder / name).write_bytes(whole[:length])
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(folder)
        assert str(folder) in str(caught.value), length


@pytest.mark.parametrize(
    "raw",
    [
        pickle.dumps({"embedding.weight": np.zeros(3)}),
        b"\x00" * 5000,
        b"\xff" * 5000,
        b"not weights",
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        safetensors.numpy.save({"other": np.zeros(3, dtype=np.float32)}),
    ],
)
def test_foreign_weights(folder, raw):
    (folder / "model.safetensors").write_bytes(raw)
    with pytest.raises(CheckpointError):
        checkpoint.load(folder)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


def test_a_pickle_is_never_read(folder):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "raw",
    [
        b"[]", b"7", b'"x"', b"null", b"{}", b"\xff\xfe", b"{" * 100_000, b"[" * 100_000,
        b'{"model_type": "gpt2", "n_layer": 12}',
        b'{"format": 99, "settings": {}, "vocabulary": "ab"}',
        b'{"format": 1, "settings": {}, "vocabulary": ["a", "b"]}',
        b'{"format": 1, "settings": {}, "vocabulary": "ab"}',  # sizes open
    ],
)  # fmt: skip
def test_foreign_config(folder, raw):
    (folder / "config.json").write_bytes(raw)
    with pytest.raises(CheckpointError):
        checkpoint.load(folder)


def edited(folder, change):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(config)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c["settings"]["model"].update(hidden_size=13), "another model"),
        (lambda c: c["settings"]["model"].update(hidden_size=None), "missing"),
        (lambda c: c["settings"]["model"].update(hidden_size="wide"), "hidden_size"),
        (lambda c: c["settings"]["model"].update(hidden_size=10**9), "hidden_size"),
        (lambda c: c["settings"]["model"].update(cell="gru"), "another model"),
        (lambda c: c["settings"]["model"].update(num_layers=2), "another model"),
        (lambda c: c["settings"]["model"].update(self=1), "no setting called self"),
        (lambda c: c["settings"]["training"].update(minutes=1), "exactly one"),
        (lambda c: c.update(settings=None), "groups"),
        (lambda c: c.update(vocabulary=c["vocabulary"] + "漢"), "another model"),
        (lambda c: c.update(vocabulary=c["vocabulary"] + c["vocabulary"][0]), "twice"),
        (lambda c: c.update(vocabulary=""), "empty"),
    ],
)
def test_an_edited_config_is_refused_in_words(folder, change, words):
    edited(folder, change)
    with pytest.raises(CheckpointError, match=words):
        checkpoint.load(folder)


@pytest.mark.parametrize("origin", [None, [], "x", 7])
def test_an_origin_that_is_none_does_no_harm(folder, origin):
    edited(folder, lambda c: c.update(corpus=origin))
    assert checkpoint.load(folder).origin == {}


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda w: w | {"decoder.bias": np.full_like(w["decoder.bias"], np.nan)}, "finite"),
        (lambda w: w | {"decoder.bias": np.full_like(w["decoder.bias"], np.inf)}, "finite"),
        (lambda w: w | {"decoder.bias": w["decoder.bias"].astype(np.float64)}, "finite|float32"),
        (lambda w: w | {"extra": np.zeros(1, dtype=np.float32)}, "extra"),
        (lambda w: {name: a for name, a in w.items() if name != "decoder.bias"}, "decoder.bias is missing"),
        (lambda w: w | {"decoder.weight": w["decoder.weight"].T.copy()}, "decoder.weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder, spoil, words):
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    checkpoint.save_weights(folder, spoil(weights))
    with pytest.raises(CheckpointError, match=words):
        checkpoint.load(folder)


@pytest.mark.parametrize("members", [1, 3])
def test_shapes_are_those_of_the_torch_model(cell, members):
    layers = 1 if cell == "handwritten" else 3
    settings = ModelSettings(cell=cell, hidden_size=5, embedding_size=3, num_layers=layers, dropout=0, members=members)
    expected = {name: w.shape for name, w in Ensemble(settings, 7).weights().items()}
    assert checkpoint.shapes(settings, 7) == expected
