"""How well the presets learn in the time they ask for: the whole command, as a person gives it, timed from its start.

The text is that of CHARRNN_BENCH_TEXT. Training keeps its last 10 % aside, and `charrnn evaluate` scores the model on them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from charrnn.corpus import Corpus
from charrnn.settings import PRESETS

from .figures import Figure, at_most, skipped

ROOT = Path(__file__).parents[2]
BARS = {"balanced": 1.49, "best": 1.45}  # nats/char on tiny Shakespeare
SHAKESPEARE = 1_115_394  # its characters


def measure() -> Iterator[Figure]:
    if not (name := os.environ.get("CHARRNN_BENCH_TEXT")):
        yield skipped("learning", "set CHARRNN_BENCH_TEXT to a text, tiny Shakespeare for its bars")
        return
    path = Path(name).resolve()
    text = Corpus.read([path]).text
    with tempfile.TemporaryDirectory() as folder:
        held_out = Path(folder) / "held_out.txt"
        held_out.write_text(text[int(0.9 * len(text)) :], encoding="utf-8", newline="")
        for preset in ("quick", "balanced", "best"):
            started = time.perf_counter()
            charrnn("train", path, "--preset", preset, "--out", f"{folder}/{preset}")
            seconds = time.perf_counter() - started
            score = json.loads(charrnn("evaluate", f"{folder}/{preset}", held_out, "--window", "256"))
            what, loss = f"charrnn train --preset {preset}, {path.stem}", score["nats_per_char"]
            if preset in BARS and len(text) == SHAKESPEARE:
                yield at_most(what, loss, "nats/char", BARS[preset], 4)
            else:
                yield Figure(what, f"{loss:.4f} nats/char")
            yield at_most(f"the command's time, {preset}", seconds, "s", 66 * PRESETS[preset].changes["minutes"])


def charrnn(*arguments) -> str:
    """What a command prints on its standard output. It is started beside the package, as a person would, not with this process's
    settings of threads."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-m", "charrnn", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
