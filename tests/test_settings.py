"""Every setting once: defaults, bounds, words; all that is wrong reported together."""

import json
from dataclasses import fields

import numpy as np
import pytest

from charrnn.errors import CharRNNError, SettingsError
from charrnn.settings import (
    GROUPS,
    PRESETS,
    HostSettings,
    ModelSettings,
    SamplingSettings,
    Settings,
    TrainingSettings,
    bounds,
    optional,
    type_of,
)
from charrnn.sizing import fit

ALL = [(group, f) for group in (*GROUPS, SamplingSettings, HostSettings) for f in fields(group)]


def changed(group, f, value):
    budget = {"minutes": None, f.name: value} if f.name in ("epochs", "steps") else {f.name: value}
    return getattr(group(**budget), f.name)


@pytest.mark.parametrize("group, f", ALL, ids=[f.name for _, f in ALL])
def test_each_setting_says_what_it_is_and_keeps_its_bounds(group, f):
    meta, kind = f.metadata, type_of(group, f)
    assert meta["label"] and meta["help"].endswith(".") and bounds(f)
    assert kind in (bool, int, float, str)
    assert (f.default is None) <= optional(group, f)
    if meta["low"] is not None:
        for good in (meta["low"], meta["high"], str(meta["low"])):
            assert changed(group, f, good) == kind(float(good)) and type(changed(group, f, good)) is kind
        step = 1 if kind is int else 1e-9 + 1e-6 * abs(meta["high"])
        bad = [meta["low"] - step, meta["high"] + step, float("nan"), float("inf"), -float("inf"), "many", [], True, {}]
    elif meta["choices"]:
        assert all(changed(group, f, choice) == choice for choice in meta["choices"] if choice != "handwritten")
        bad = ["", "other", 1, [], meta["choices"][0].upper()]
    elif kind is bool:
        assert changed(group, f, True) is True and changed(group, f, 0) is False
        bad = ["yes", 2, float("nan"), [], np.array([1, 2])]
    else:
        bad = ["x" * (meta["length"] + 1)]
    if kind is int:
        bad.append(meta["low"] + 0.5)
    if not optional(group, f):
        bad.append(None)
    for value in bad:
        with pytest.raises(SettingsError, match=f.name):
            changed(group, f, value)


def test_numbers_may_come_as_text_or_from_numpy():
    settings = Settings.of("quick", hidden_size="32", learning_rate=np.float32(0.01), steps=np.int64(5), num_layers=2.0)
    assert settings.model.hidden_size == 32 and type(settings.training.steps) is int and settings.model.num_layers == 2


def test_all_that_is_wrong_is_reported_together():
    with pytest.raises(SettingsError) as caught:
        Settings.of("quick", hidden_size=-1, learning_rate=float("nan"), min_count="x", speed=3, early_stop="maybe")
    for name in ("hidden_size", "learning_rate", "min_count", "speed", "early_stop"):
        assert name in str(caught.value)
    assert "from 1 to 4,096" in str(caught.value)


def test_an_unknown_preset_is_named_with_the_known_ones():
    with pytest.raises(SettingsError, match="'fast'.*quick, balanced, best, long, classic"):
        Settings.of("fast")


def test_the_budget_is_exactly_one():
    assert Settings.of("quick", epochs=2).training.minutes is None
    assert Settings.of("classic", minutes=2).training.epochs is None
    assert Settings.of("quick", steps=7, minutes=None).training.steps == 7
    for budgets in ({"minutes": 1, "epochs": 1}, {"epochs": 1, "steps": 3}, {"minutes": None}):
        with pytest.raises(SettingsError, match="exactly one of minutes, epochs and steps"):
            Settings.of("quick", **budgets)


@pytest.mark.parametrize("change", [{"num_layers": 2}, {"recurrent_dropout": 0.1}])
def test_the_handwritten_cell_is_a_simple_one(change):
    with pytest.raises(SettingsError, match=f"handwritten.*{next(iter(change))}"):
        ModelSettings(cell="handwritten", **change)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_survive_json(preset):
    settings = Settings.of(preset)
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert PRESETS[preset].label and PRESETS[preset].help


def test_classic_is_the_notebook():
    settings = Settings.of("classic")
    model, training = settings.model, settings.training
    assert settings.corpus.lowercase
    assert (model.cell, model.embedding_size, model.hidden_size, model.num_layers, model.dropout) == ("handwritten", 24, 64, 1, 0)
    assert (training.seq_length, training.batch_size, training.batching, training.epochs) == (100, 32, "windows", 50)
    assert (training.learning_rate, training.schedule, training.clip_norm, training.sample_temperature) == (1e-3, "constant", 0, 0)
    assert Settings.of("classic", cell="rnn", num_layers=2).model.num_layers == 2  # its other form


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "x",
        {"model": []},
        {"model": {"hidden_size": "wide"}},
        {"model": {"self": 1}},
        {"model": {"preset": 1}},
        {"training": {"minutes": None}},
        {"training": {"unknown": 1}},
    ],
)
def test_edited_settings_are_refused(data):
    with pytest.raises(SettingsError):
        Settings.from_dict(data)


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(AttributeError):
        TrainingSettings().seed = 2


def test_errors_have_three_parts_and_survive_pickling():
    import pickle

    error = SettingsError("Doing this", "that happened", "Do the other")
    assert str(error) == "Doing this: that happened. Do the other."
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is SettingsError and isinstance(again, CharRNNError) and str(again) == str(error)


# What is chosen for a text (how well is for benchmarks to say)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("characters, vocabulary", [(500, 20), (40_000, 70), (1_100_000, 65), (20_000_000, 5000)])
def test_every_open_size_gets_chosen(preset, characters, vocabulary):
    settings, reason = fit(Settings.of(preset), characters, vocabulary)
    for name in ("hidden_size", "embedding_size", "dropout", "recurrent_dropout"):
        assert getattr(settings.model, name) is not None
    for name in ("seq_length", "batch_size", "learning_rate"):
        assert getattr(settings.training, name) is not None
    assert fit(settings, characters, vocabulary)[0] == settings
    assert isinstance(reason, str)


def test_given_sizes_stay(small):
    given = dict(hidden_size=33, embedding_size=7, dropout=0.15, seq_length=21, batch_size=3, learning_rate=0.0123)
    for name, value in given.items():
        settings, _ = fit(Settings.of("quick", **{name: value}), 100_000, 60)
        flat = settings.to_dict()["model"] | settings.to_dict()["training"]
        assert flat[name] == value
    before, after = small().to_dict(), fit(small(), 5000, 30)[0].to_dict()
    for group in before:
        assert {name: after[group][name] for name, value in before[group].items() if value is not None}.items() <= before[group].items()
