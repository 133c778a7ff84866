"""Whether 100 MB are served as 1 MB is, and what a step, its memory and its sampling cost against each size."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from charrnn.copied import CorpusIndex
from charrnn.corpus import Corpus
from charrnn.events import Step
from charrnn.runs import Run
from charrnn.settings import NOTHING, Settings
from charrnn.sizing import fit
from charrnn.training import Training

from .figures import Figure, at_most, side_by_side
from .sampling import OURS, network, write
from .starting import jobs, train
from .texts import made_up

MEGABYTES = (1, 10, 100)
HARD = "cafe\u0301 \U0001f600\n"  # four bytes for each character in memory, and an accent to be joined with its letter
BASE = {"hidden_size": 256, "seq_length": 64, "batch_size": 16}  # a row of costs differs from this in one size
OTHERS = {"hidden_size": (64, 128, 512, 1024), "seq_length": (16, 128, 256), "batch_size": (1, 8, 32, 64)}
LETTERS = {"hidden_size": "H", "seq_length": "T", "batch_size": "N"}


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: Path(folder) / f"{size}.txt" for size in MEGABYTES}
        for size, path in paths.items():
            path.write_bytes((made_up(size * 1_000_000) + HARD).encode())
        seconds, memory = report(paths[100])
        yield at_most("100 MB: from the upload's end to the report", seconds, "s", 3)
        yield Figure("100 MB: memory of a process that reports", f"{memory / 1e6:,.0f} MB")
        index = CorpusIndex(paths[100], Path(folder) / "index")
        written = paths[100].read_text()[5_000_000:5_000_400]
        (seconds,) = side_by_side(lambda: index.find(written))
        yield at_most("100 MB: what of 400 characters is copied from it", 1e3 * seconds, "ms", 1000)
        corpora = {size: Corpus.read([paths[size]]) for size in (1, 100)}
        (runs := Path(folder) / "runs").mkdir()
        with jobs(runs) as queue:
            first, events = train(queue, corpora[100], Settings.of("balanced").changed(minutes=0.25))
        yield at_most("100 MB: from Train pressed to the first step", first, "s", 5)
        yield at_most("100 MB: memory of the training process", max(peak for _, peak in events) / 1e6, "MB", 1000, 0)
        small, large = side_by_side(*(stepper(corpus) for corpus in corpora.values()), rounds=30)
        yield at_most("100 MB: a step, beside one with 1 MB", large / small, "x", 1.1, 2)
        for size, path in paths.items():
            yield cost(f"{size} MB, H 256, T 64, N 16", path, BASE)
        for name, values in OTHERS.items():
            for value in values:
                yield cost(f"1 MB, {LETTERS[name]} {value}", paths[1], BASE | {name: value})


def report(path: Path) -> tuple[float, int]:
    """Seconds from a text on disk, where an upload ends, to its report as the page shows it, and bytes of memory, in a process
    of its own."""
    code = (
        "import sys, time; from charrnn.corpus import Corpus; from charrnn.ui.cards import report_card; "
        "started = time.perf_counter(); report_card(Corpus.read([sys.argv[1]]).report()); print(time.perf_counter() - started)"
    )
    output, memory = run([sys.executable, "-c", code, str(path)])
    return float(output), memory


def run(command: list[str]) -> tuple[str, int]:
    """What a command prints on its last line, and the most memory, in bytes, that its process had in use. It is started from a
    small process, since Linux counts for it what the one that started it had in use until then."""
    code = (
        "import os, subprocess, sys; process = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL); "
        "_, status, usage = os.wait4(process.pid, 0); print(usage.ru_maxrss); sys.exit(os.waitstatus_to_exitcode(status))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, *command], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    *_, output, memory = ["", *done.stdout.splitlines()]
    return output, int(memory) * (1 if sys.platform == "darwin" else 1024)


def stepper(corpus: Corpus):
    """A call that makes eight steps, of which Muon acts in one."""
    settings, _ = fit(Settings.of("balanced", **BASE, steps=10_000, threads=1), len(corpus), len(corpus.vocabulary))
    training = Training(settings, corpus.vocabulary, corpus.ids, corpus.ids[:9000])
    steps = (event for event in training.events() if isinstance(event, Step))
    return lambda: [next(steps) for _ in range(8)]


def cost(what: str, path: Path, sizes: dict[str, int]) -> Figure:
    """Milliseconds of a step on one thread, memory of the process that trains, and characters a second that it then writes."""
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in sizes.items()]
        flags += ["--steps=64", f"--start={NOTHING}", f"--out={folder}/run"]
        _, memory = run([sys.executable, "-m", "charrnn", "train", str(path), *flags])
        speed = median(event.speed for event in Run(f"{folder}/run").events()[0] if isinstance(event, Step))
    _, engine, vocabulary = network(sizes["hidden_size"])
    (seconds,) = side_by_side(lambda: write(engine, vocabulary, OURS), rounds=3)
    step = 1e3 * sizes["batch_size"] * sizes["seq_length"] / speed
    return Figure(
        f"cost of {what}", f"{step:.1f} ms a step", f"{memory / 1e6:,.0f} MB; samples {OURS / seconds:,.0f} chars/s"
    )
