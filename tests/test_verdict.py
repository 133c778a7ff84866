"""What a training amounts to, in words."""

import pytest

from charrnn.events import Finished, Saved, Started, Step, Validation
from charrnn.verdict import remaining, verdict


def course(losses, train_losses=None, reason="budget", unigram=3.0):
    """The events of a training with these validation losses, ten seconds apart."""
    events = [Started(0, 0.0, 1000, "cpu", 4.0, unigram)]
    best = float("inf")
    for k, (loss, train) in enumerate(zip(losses, train_losses or losses), 1):
        events.append(Validation(10 * k, 10.0 * k, 0.1 * k, loss, train, loss < best))
        best = min(best, loss)
    return events + [Finished(10 * len(losses), 10.0 * len(losses), reason, best)]


def words(*arguments, characters=100_000, **options) -> str:
    judged = verdict(course(*arguments, **options), characters)
    return " ".join((judged.headline, *judged.details))


def test_there_is_none_before_the_first_validation():
    assert verdict([], 1000) is None
    assert verdict(course([])[:1], 1000) is None


def test_headlines_follow_the_loss():
    # a text of 100,000 characters usually reaches about 0.6 of the unigram loss
    assert "Very good" in words([2.0, 1.4])
    assert "Good" in words([2.0, 1.8])
    assert "fair start" in words([2.9, 2.6])
    assert "hardly learned" in words([3.0, 2.95])


def test_the_size_of_the_text_matters():
    assert "Good" in words([2.0, 1.8], characters=100_000)
    assert "Very good" in words([2.0, 1.8], characters=10_000)
    assert "fair start" in words([2.0, 1.8], characters=100_000_000)


def test_numbers_have_units_and_something_to_compare_with():
    text = words([2.0, 1.8])
    assert "1.80 nats (2.60 bits) per character" in text and "4.00" in text and "3.00" in text


def test_over_and_underfitting_are_told_apart():
    assert "Overfitted towards the end" in words([2.5, 1.8, 1.9, 2.0]) and "from 0:20 min" in words([2.5, 1.8, 1.9, 2.0])
    assert "somewhat overfitted" in words([2.5, 1.8], [2.4, 1.2])
    assert "Underfitted" in words([2.5, 2.3, 2.1, 1.9, 1.85, 1.75])
    assert "Neither under- nor overfitted" in words([2.5, 1.9, 1.81, 1.8, 1.8, 1.8])


def test_how_it_ended_is_said():
    assert "Resume goes on" in words([2.5, 2.0], reason="stopped")
    assert "ended early" in words([2.5, 1.8, 2.0], reason="early")


def step(elapsed, progress):
    return Step(1, elapsed, 0.1, 2.0, 0.01, 1000.0, progress)


def test_time_that_remains():
    assert remaining([], None) is None
    assert remaining([], 2.0) == 120
    assert remaining([step(30, 0.25)], 2.0) == 90
    assert remaining([step(30, 0.25), Saved(1, 31)], None) == pytest.approx(90)
    assert remaining([step(130, 1.0)], 2.0) == 0
