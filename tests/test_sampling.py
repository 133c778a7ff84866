"""Drawing characters: the odds are those asked for, and the same seed gives the same text."""

from itertools import islice

import numpy as np
import pytest

from charrnn.engine import Engine
from charrnn.errors import CorpusError
from charrnn.sampling import allowed, choose, generate, gumbel, opening
from charrnn.settings import ModelSettings, SamplingSettings
from charrnn.vocabulary import Vocabulary

ODDS = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
LETTERS = Vocabulary("abcdef")
DRAWS = 6400


def engine_with(odds: np.ndarray) -> Engine:
    """A network whose next character has these odds, whatever came before."""
    settings = ModelSettings(cell="rnn", hidden_size=2, embedding_size=2, dropout=0.0, members=1)
    v = len(odds)
    weights = {"embedding.weight": np.zeros((v, 2)), "decoder.weight": np.zeros((v, 2)), "decoder.bias": np.log(odds)}
    weights |= {f"rnn.{name}_l0": np.zeros((2, 2)) for name in ("weight_ih", "weight_hh")}
    weights |= {f"rnn.{name}_l0": np.zeros(2) for name in ("bias_ih", "bias_hh")}
    return Engine(settings, weights)


KNOWN = engine_with(ODDS)


def frequencies(draws: int = DRAWS, **settings) -> np.ndarray:
    """(V,) how often each character was drawn."""
    text = "".join(generate(KNOWN, LETTERS, "a", SamplingSettings(length=draws, **settings)))
    return np.array([text.count(c) for c in LETTERS.characters])


def strange(counts: np.ndarray, odds: np.ndarray) -> float:
    """Pearson's chi-square, as standard deviations above its mean; infinite when the impossible was drawn."""
    if counts[odds == 0].any():
        return float("inf")
    expected = counts.sum() * odds[odds > 0]
    free = max(1, len(expected) - 1)
    return float((((counts[odds > 0] - expected) ** 2 / expected).sum() - free) / np.sqrt(2 * free))


def tempered(odds: np.ndarray, temperature: float) -> np.ndarray:
    p = odds ** (1 / temperature)
    return p / p.sum()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.0, 2.0])
def test_frequencies_at_a_temperature(temperature, seed):
    counts = frequencies(temperature=temperature, seed=seed)
    assert strange(counts, tempered(ODDS, temperature)) < 4
    assert strange(counts, tempered(ODDS, temperature * 1.3)) > 4  # and no other would pass


@pytest.mark.parametrize("k", [1, 2, 4, 6, 100])
@pytest.mark.parametrize("temperature", [0.7, 1.5])
def test_frequencies_with_top_k(k, temperature):
    expected = tempered(ODDS, temperature) * (np.arange(6) < k)
    assert strange(frequencies(temperature=temperature, top_k=k), expected / expected.sum()) < 4


@pytest.mark.parametrize("p, kept", [(0.01, 1), (0.39, 1), (0.41, 2), (0.64, 2), (0.66, 3), (0.95, 5), (0.97, 6), (1.0, 6)])
def test_frequencies_with_top_p(p, kept):
    expected = ODDS * (np.arange(6) < kept)
    assert strange(frequencies(temperature=1, top_p=p), expected / expected.sum()) < 4


def test_top_p_counts_after_temperature_and_among_what_top_k_left():
    # at temperature 0.5 the two likeliest have 0.16 and 0.0625 of 0.2614: together 0.85
    assert np.flatnonzero(frequencies(temperature=0.5, top_p=0.84)).tolist() == [0, 1]
    assert np.flatnonzero(frequencies(temperature=0.5, top_p=0.86)).tolist() == [0, 1, 2]
    # of the three likeliest, the first two have 0.65 / 0.8 = 0.81
    assert np.flatnonzero(frequencies(temperature=1, top_k=3, top_p=0.8)).tolist() == [0, 1]
    assert np.flatnonzero(frequencies(temperature=1, top_k=3, top_p=0.82)).tolist() == [0, 1, 2]


def test_equal_odds_are_cut_by_place():
    scores = np.zeros((2, 5))
    assert allowed(scores, 2, 1.0).tolist() == [[True, True, False, False, False]] * 2
    assert allowed(scores, 0, 0.5).sum(1).tolist() == [3, 3]


@pytest.mark.parametrize("temperature", [0, 1e-300])
def test_temperature_zero_is_the_likeliest(temperature):
    settings = SamplingSettings(temperature=temperature, length=50)
    assert "".join(generate(KNOWN, LETTERS, "c", settings)) == "a" * 50
    logits = np.random.default_rng(0).normal(size=(20, 6))
    noise = next(gumbel(1, 6))
    assert (choose(logits, np.zeros(20), noise) == logits.argmax(1)).all()
    assert (choose(logits, np.zeros(20), noise, top_k=3, top_p=0.5) == logits.argmax(1)).all()


def test_temperatures_can_differ_by_row():
    logits = np.random.default_rng(0).normal(size=(3, 6))
    noise = next(gumbel(1, 6))
    together = choose(logits, np.array([0.0, 0.5, 2.0]), noise)
    assert together.tolist() == [int(choose(logits[i : i + 1], np.array([t]), noise)[0]) for i, t in enumerate((0.0, 0.5, 2.0))]


def test_the_same_seed_gives_the_same_text(trained):
    model = trained.load()

    def text(**settings):
        return "".join(generate(model.engine, model.vocabulary, "Ba", SamplingSettings(length=200, **settings)))

    assert text(seed=5) == text(seed=5) and len(text(seed=5)) == 200
    assert text(seed=5) != text(seed=6)
    assert text(seed=5, temperature=0) == text(seed=6, temperature=0)
    assert text(seed=5, top_k=100_000) == text(seed=5)
    # a longer text begins with the shorter one
    longer = "".join(generate(model.engine, model.vocabulary, "Ba", SamplingSettings(length=300, seed=5)))
    assert longer.startswith(text(seed=5))


def test_noise_belongs_to_seed_and_position_alone():
    noise = list(islice(gumbel(7, 6), 200))
    text = "".join(generate(KNOWN, LETTERS, "a", SamplingSettings(length=200, seed=7, temperature=1.3)))
    expected = [LETTERS.characters[int((np.log(ODDS) / 1.3 + row).argmax())] for row in noise]
    assert text == "".join(expected)
    again = list(islice(gumbel(7, 6), 200))
    assert np.array_equal(noise, again) and not np.array_equal(noise[0], noise[64])
    # nothing but the temperature's own effect parts two texts: neighbours agree almost everywhere
    near = "".join(generate(KNOWN, LETTERS, "a", SamplingSettings(length=200, seed=7, temperature=1.31)))
    assert sum(a != b for a, b in zip(text, near)) < 6


def test_noise_is_standard_gumbel():
    noise = np.concatenate(list(islice(gumbel(3, 50), 2000)))
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=0.02)
    assert noise.std() == pytest.approx(np.pi / np.sqrt(6), abs=0.02)


def test_the_prime_is_read_once(trained):
    """The text after a prime is what comes from stepping through the prime, then through what was chosen."""
    model = trained.load()
    settings = SamplingSettings(length=40, temperature=0)
    state, prime = model.engine.start(), "Mu lo"
    for i in model.vocabulary.encode(prime):
        logits = model.engine.step(np.array([i]), state)
    expected = []
    for _ in range(40):
        expected.append(model.vocabulary.characters[int(logits.argmax())])
        logits = model.engine.step(logits.argmax(1), state)
    assert "".join(generate(model.engine, model.vocabulary, prime, settings)) == "".join(expected)


def test_going_on_from_what_was_written_greedily_gives_the_same(trained):
    model = trained.load()
    whole = "".join(generate(model.engine, model.vocabulary, "Ba", SamplingSettings(length=60, temperature=0)))
    rest = "".join(generate(model.engine, model.vocabulary, "Ba" + whole[:30], SamplingSettings(length=30, temperature=0)))
    assert whole[30:] == rest


def test_an_empty_prime_stands_for_a_new_line(trained):
    model = trained.load()
    settings = SamplingSettings(length=30)
    assert list(generate(model.engine, model.vocabulary, "", settings)) == list(generate(model.engine, model.vocabulary, "\n", settings))
    assert opening(Vocabulary("a\n ")) == "\n" and opening(Vocabulary("a ")) == " " and opening(Vocabulary("ba")) == "b"


def test_an_unknown_character_in_the_prime_is_an_error():
    with pytest.raises(CorpusError, match="'z'"):
        list(generate(KNOWN, LETTERS, "az"))
