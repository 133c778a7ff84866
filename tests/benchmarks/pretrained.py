"""What starting from the songbook brings on short texts of other kinds: validation loss of a one-minute training, with and without."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from charrnn.corpus import Corpus
from charrnn.events import Failed, Validation
from charrnn.runs import Run
from charrnn.settings import NOTHING, Settings
from charrnn.worker import train

from .figures import Figure

SIZES = (5_000, 100_000)  # characters; the largest joins the three short bundled texts
NAMES = ("recipes", "tales", "gazetteer")


def measure() -> Iterator[Figure]:
    texts = {name: Corpus.bundled(name).text for name in NAMES}
    texts["all three"] = "\n\n".join(texts[name][:34_000] for name in NAMES)
    for size in SIZES:
        for name, text in texts.items():
            if (size > 50_000) == (name == "all three"):
                without, started = (best_loss(text[:size], start) for start in (NOTHING, "songbook"))
                yield Figure(
                    f"{name}, {size // 1000} KB, one minute: started from the songbook",
                    f"{started:.3f} nats/char",
                    f"{started / without:.2f} x the {without:.3f} from nothing",
                    "less than from nothing",
                    started < without,
                )


def best_loss(text: str, start: str) -> float:
    """Validation loss, in nats/char, of the *quick* preset on a text."""
    settings = Settings.of("quick", start=start)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", Corpus.from_text(text, settings.corpus), settings)
        events = list(train(run))
    if isinstance(events[-1], Failed):
        raise RuntimeError(events[-1].message)
    return min(event.loss for event in events if isinstance(event, Validation))
