"""From text, budget and machine to sizes."""

import pytest

from charrnn.settings import Settings
from charrnn.sizing import HIDDEN_SIZES, PASSES, fit, product_rate
from charrnn.training import SIZES

CHARACTERS = (5_000, 50_000, 500_000, 1_000_000, 10_000_000, 100_000_000)
VOCABULARIES = (2, 65, 3_000, 20_000)
SPEEDS = (5.0, 120.0, 1000.0)  # GFLOP/s of one thread
MINUTES = (0.1, 3, 10, 600)


def sized(characters=1_000_000, vocabulary=65, speed=100.0, **changes):
    return fit(Settings.of("balanced", **changes), characters, vocabulary, speed)


def hidden(*given, **changes):
    return sized(*given, **changes)[0].model.hidden_size


def units(*given, **changes):
    """What a model costs, but for its embedding: the square of its width, for each member."""
    model = sized(*given, **changes)[0].model
    return model.members * model.hidden_size**2


@pytest.mark.parametrize("characters", CHARACTERS)
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_every_open_size_is_chosen(cell, characters, vocabulary):
    for speed in SPEEDS:
        for budget in ({"minutes": 0.1}, {"minutes": 30}, {"steps": 200}, {"epochs": 20}):
            settings, reason = sized(characters, vocabulary, speed, cell=cell, **budget)
            given = vars(settings.model) | vars(settings.training)
            assert not [name for name in (*SIZES, "passes") if given[name] is None]
            assert settings.model.hidden_size in HIDDEN_SIZES
            assert 0 <= settings.model.recurrent_dropout <= settings.model.dropout <= 0.5
            assert f"{settings.model.hidden_size} {cell} units" in reason and f"{characters:,}" in reason


def test_what_is_given_stays():
    given = dict(
        members=3,
        hidden_size=77,
        embedding_size=11,
        dropout=0.0,
        recurrent_dropout=0.05,
        seq_length=33,
        batch_size=5,
        learning_rate=0.123,
        passes=2.5,
    )
    for characters in CHARACTERS:
        settings, reason = sized(characters, **given)
        flat = vars(settings.model) | vars(settings.training)
        assert {name: flat[name] for name in given} == given
        assert not reason  # nothing was chosen
    for name, value in given.items():
        settings, reason = sized(**{name: value})
        assert (vars(settings.model) | vars(settings.training))[name] == value
        assert reason


def test_no_dropout_is_none_on_the_recurrent_weights_either():
    assert sized(dropout=0.0)[0].model.recurrent_dropout == 0 < sized(dropout=0.5)[0].model.recurrent_dropout


def test_a_classic_training_is_left_alone():
    classic = Settings.of("classic")
    settings, reason = fit(classic, 50_000, 40, 100.0)
    assert settings == classic.changed(passes=PASSES) and not reason


def test_settings_that_were_sized_stay_as_they_are():
    """A resumed run is sized again, maybe on a slower machine."""
    settings, _ = sized()
    assert fit(settings, 5_000, 65, 3.0) == (settings, "")


@pytest.mark.parametrize("characters", CHARACTERS)
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_more_time_or_speed_is_never_a_smaller_model(cell, characters, vocabulary):
    for speed in SPEEDS:
        sizes = [units(characters, vocabulary, speed, cell=cell, minutes=minutes) for minutes in MINUTES]
        assert sizes == sorted(sizes)
    for minutes in MINUTES:
        sizes = [units(characters, vocabulary, speed, cell=cell, minutes=minutes) for speed in SPEEDS]
        assert sizes == sorted(sizes)


def test_more_text_is_never_a_smaller_model_when_there_is_time():
    sizes = [hidden(characters, minutes=600) for characters in CHARACTERS]
    assert sizes == sorted(sizes) and sizes[0] == 256 and sizes[-1] == HIDDEN_SIZES[-1]


@pytest.mark.parametrize("minutes", MINUTES)
def test_more_text_is_never_more_dropout(minutes):
    rates = [sized(characters, minutes=minutes)[0].model.dropout for characters in CHARACTERS]
    assert rates == sorted(rates, reverse=True)


def test_a_short_text_is_regularised_and_a_large_one_is_given_a_large_model():
    for characters in (5_000, 50_000):
        settings, reason = sized(characters, minutes=10)
        assert settings.model.dropout >= 0.4 and settings.training.passes <= 15
        assert "learn by heart" in reason
    assert hidden(10_000_000, minutes=30) > hidden(500_000, minutes=30)


def test_what_is_read_less_than_once_needs_no_dropout():
    assert sized(100_000_000, minutes=10)[0].model.dropout == 0
    assert sized(1_000_000, minutes=10)[0].model.dropout > 0.1


def test_members_are_for_texts_that_are_read_again_and_again():
    def members(*given, **changes):
        return sized(*given, **changes)[0].model.members

    assert [members(minutes=minutes) for minutes in (1, 3, 10, 100)] == [1, 1, 2, 4]
    assert members(100_000_000, minutes=600) == 1 and members(50_000, minutes=1) == 4
    assert members(members=3) == 3 and "3 networks side by side" in sized(members=3)[1]
    assert members(50_000, minutes=1, hidden_size=1024) < 4
    for speed in (50.0, 75.0, 100.0):  # how fast the machine happens to be just now does not change it
        assert [members(speed=speed, minutes=minutes) for minutes in (3, 10)] == [1, 2]
    assert members(epochs=10) == members(steps=100_000) == 1  # nobody said how long it may take


def test_time_to_spare_goes_into_longer_stretches():
    def shape(*given, **changes):
        training = sized(*given, **changes)[0].training
        return training.batch_size, training.seq_length

    assert shape(minutes=1) == (16, 64) and shape(minutes=600) == (8, 128) and shape(50_000, minutes=600) == (8, 64)
    assert shape(minutes=600, seq_length=32) == (8, 32)


def test_the_budget_is_told():
    assert "3 min" in sized()[1]
    assert "min" not in sized(steps=10)[1]
    assert "2 layers" in sized(num_layers=2)[1]


def test_a_machine_is_measured_when_its_speed_is_not_given(monkeypatch):
    assert product_rate() > 0
    monkeypatch.setattr("charrnn.sizing.product_rate", lambda: 80.0)
    assert fit(Settings(), 1_000_000, 65) == fit(Settings(), 1_000_000, 65, 80.0)
