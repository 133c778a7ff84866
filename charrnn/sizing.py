"""From a text, a budget and a machine to the sizes of a training that fits them."""

from .settings import Settings


def fit(settings: Settings, characters: int, vocabulary_size: int) -> tuple[Settings, str]:
    """The settings with everything that was left open (None) chosen, and one sentence that says what and why."""
    minutes = settings.training.minutes or 3.0
    hidden = 128 if characters < 30_000 else 256 if minutes < 2 or characters < 300_000 else 384 if minutes < 5 else 512
    chosen = dict(
        hidden_size=hidden,
        embedding_size=min(hidden, max(16, min(64, vocabulary_size))),
        dropout=0.4 if characters < 300_000 else {256: 0.1, 384: 0.25, 512: 0.4}.get(hidden, 0.4),
        seq_length=64,
        batch_size=16,
        learning_rate=6e-3,
    )
    current = settings.to_dict()
    flat = {name: value for group in current.values() for name, value in group.items()}
    chosen = {name: value for name, value in chosen.items() if flat[name] is None}
    return settings.changed(**chosen), "Chosen for this text and time: " + ", ".join(
        f"{name.replace('_', ' ')} {value:g}" for name, value in chosen.items()
    ) if chosen else ""
