"""How well the presets learn in the time they ask for: the whole command, as a person gives it, timed from its start.

The first text is that of CHARRNN_BENCH_TEXT. Training keeps its last 10 % aside, and `charrnn evaluate` scores the model on them.
Other kinds of text, read by the *quick* preset, are the bundled songbook, Python's own source code, and the files that
CHARRNN_BENCH_TEXTS names (between path separators); beside each stands what `xz -9` makes of the same held-out part
when it has read the rest.
"""

import json
import lzma
import math
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from charrnn.corpus import Corpus, bundled_folder
from charrnn.events import Step
from charrnn.runs import Run
from charrnn.settings import PRESETS

from .figures import Figure, at_most, skipped

ROOT = Path(__file__).parents[2]
BARS = {"balanced": 1.49, "best": 1.45}  # nats/char on tiny Shakespeare
SHAKESPEARE = 1_115_394  # its characters
SOURCE = (1_000_000, 10_000_000)  # characters of source code


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if text := os.environ.get("CHARRNN_BENCH_TEXT"):
            for preset in ("quick", "balanced", "best"):
                yield from trained(Path(text).resolve(), preset, folder / preset)
        else:
            yield skipped("learning", "set CHARRNN_BENCH_TEXT to a text, tiny Shakespeare for its bars")
        yield from slowed_down(folder / "slowed")
        for path in kinds(folder):
            yield from trained(path, "quick", folder / path.stem, beside=True)


def trained(path: Path, preset: str, run: Path, beside: bool = False) -> Iterator[Figure]:
    """The loss on the held-out part, and the time of the command."""
    text = Corpus.read([path]).text
    held_out = run.with_suffix(".held_out.txt")
    at = int(0.9 * len(text))
    held_out.write_text(text[at:], encoding="utf-8", newline="")
    started = time.perf_counter()
    charrnn("train", path, "--preset", preset, "--out", run)
    seconds = time.perf_counter() - started
    loss = json.loads(charrnn("evaluate", run, held_out, "--window", "256"))["nats_per_char"]
    what = f"charrnn train --preset {preset}, {path.stem}"
    if beside:
        packed = compressed(text[:at], text[at:])
        yield Figure(what, f"{loss:.4f} nats/char", f"{loss / packed:.2f} x xz's {packed:.2f}")
    elif preset in BARS and len(text) == SHAKESPEARE:
        yield at_most(what, loss, "nats/char", BARS[preset], 4)
    else:
        yield Figure(what, f"{loss:.4f} nats/char")
    yield at_most(f"the command's time, {preset}, {path.stem}", seconds, "s", 66 * PRESETS[preset].changes["minutes"])


def slowed_down(run: Path) -> Iterator[Figure]:
    """The *quick* preset on the songbook, on a machine that two other programs keep busy from half-way on."""
    busy: list[subprocess.Popen] = []
    half = threading.Timer(30, lambda: busy.extend(subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)))
    half.start()
    started = time.perf_counter()
    try:
        charrnn("train", bundled_folder() / "lyrics.txt", "--preset", "quick", "--out", run)
        seconds = time.perf_counter() - started
    finally:
        half.cancel()
        for process in busy:
            process.kill()
            process.wait()
    rates = [event.learning_rate for event in Run(run).events()[0] if isinstance(event, Step)]
    yield at_most("the command's time, quick, slowed down half-way", seconds, "s", 66)
    yield at_most("its last learning rate, of its highest", 100 * rates[-1] / max(rates), "%", 2)


def kinds(folder: Path) -> Iterator[Path]:
    """Texts of other kinds and sizes."""
    yield bundled_folder() / "lyrics.txt"
    code = "".join(
        path.read_text(encoding="utf-8", errors="ignore") for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py"))
    )
    for size in SOURCE:
        if len(code) >= size:
            path = folder / f"python_source_{size // 1_000_000}_MB.txt"
            path.write_text(code[:size], encoding="utf-8", newline="")
            yield path
    yield from (Path(name).resolve() for name in os.environ.get("CHARRNN_BENCH_TEXTS", "").split(os.pathsep) if name)


def compressed(known: str, new: str) -> float:
    """Nats/char that xz adds for a text behind one that it has read."""
    sizes = [len(lzma.compress(text.encode(), preset=9)) for text in (known + new, known)]
    return 8 * math.log(2) * (sizes[0] - sizes[1]) / len(new)


def charrnn(*arguments) -> str:
    """What a command prints on its standard output. It is started beside the package, as a person would, not with this process's
    settings of threads."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-m", "charrnn", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
