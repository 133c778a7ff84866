"""The search for units that follow something finds those that were planted, with scores as a count by hand gives."""

import numpy as np
import pytest

from charrnn.neurons import association, capitalised, features, find_trackers, inside_pairs, inside_quotes, rank, since

TEXT = 'She said "come in (if you dare)" and left.\nThe Door [old] fell shut, "bang", at 10.\n\nAnd “so” it was…\n' * 3


def auc(activation: np.ndarray, holds: np.ndarray) -> float:
    """How often a character with the property has the higher activation, counted pair by pair; ties count half."""
    pairs = [(a > b) + 0.5 * (a == b) for a in activation[holds == 1] for b in activation[holds == 0]]
    return float(np.mean(pairs))


def test_ranks_share_ties():
    assert rank(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1, 3.5, 2]


@pytest.mark.parametrize("seed", range(10))
def test_association_with_a_property_is_twice_auc_minus_one(seed):
    generator = np.random.default_rng(seed)
    activation = np.round(generator.normal(size=60), 1)
    holds = (generator.random(60) < 0.3).astype(float)
    assert association(rank(activation)[None], holds)[0] == pytest.approx(2 * auc(activation, holds) - 1)


def test_association_with_a_number_is_one_for_the_same_order():
    values = np.array([0.0, 1, 2, 0, 1, 2, 3])
    for activation, expected in ((np.exp(values), 1), (-values, -1)):
        assert association(rank(activation + np.arange(7) * 1e-9 * np.sign(expected))[None], values)[
            0
        ] == pytest.approx(expected)


@pytest.mark.parametrize("name", features(TEXT))
def test_a_planted_unit_is_found(name):
    generator = np.random.default_rng(0)
    units = generator.normal(size=(len(TEXT), 40))
    units[:, 17] = -features(TEXT)[name] + 1e-6 * generator.normal(size=len(TEXT))
    tracker = next(tracker for tracker in find_trackers(TEXT, units) if tracker.feature == name)
    assert tracker.unit == 17 and tracker.score == pytest.approx(-1, abs=0.01) and tracker.convincing


def test_noise_convinces_rarely():
    units = np.random.default_rng(1).normal(size=(len(TEXT), 40))
    trackers = find_trackers(TEXT, units)
    assert sum(tracker.convincing for tracker in trackers) <= len(trackers) / 2


def test_properties_that_the_text_does_not_show_are_left_out():
    units = np.random.default_rng(0).normal(size=(50, 4))
    assert "inside quotes" not in {
        t.feature for t in find_trackers("no marks at all in here, none of them for certain" + ".", units)
    }
    assert find_trackers("a", np.zeros((1, 4))) == []


def test_what_is_inside_and_since():
    text = 'a "b" (c[d]) x'
    assert "".join(c for c, i in zip(text, inside_quotes(text)) if i) == '"b'
    assert "".join(c for c, i in zip(text, inside_pairs(text, "([{")) if i) == "(c[d]"
    assert inside_quotes('“a” "b\n\nc').tolist() == [1, 1, 0, 0, 1, 1, 1, 0, 0]
    assert since(np.array([False, False, True, False])).tolist() == [1, 2, 0, 1]
    assert "".join(c for c, i in zip("to Rome, NOT rOME", capitalised("to Rome, NOT rOME")) if i) == "RomeNOT"
