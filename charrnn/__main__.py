"""The command line. Text goes to stdout, progress and messages to stderr; exit status 0, 1 (an error) or 2 (usage)."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's products here are too small to share; read at its import

import argparse
import contextlib
import json
import signal
import sys
import time
from dataclasses import fields
from pathlib import Path

from .corpus import Corpus, bundled_folder
from .errors import CharRNNError
from .events import Event, Failed, Finished, Sample, Started, Step, Validation
from .runs import Run, list_runs
from .sampling import generate
from .settings import GROUPS, PRESETS, SamplingSettings, Settings, bounds, type_of


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    started = time.monotonic()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")
    options = vars(parser().parse_args(arguments))
    command = options.pop("command")
    try:
        return command(started=started, **options) or 0
    except CharRNNError as error:
        say(f"charrnn: {error}")
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The commands with a flag for every setting, from settings.py."""
    root = argparse.ArgumentParser("charrnn", description="Train character-level RNNs and generate text with them.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a model on plain-text files")
    train.add_argument("texts", nargs="*", type=Path, metavar="TEXT", help="plain-text files, read in this order")
    where = train.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="RUN", help="a new folder for the run")
    where.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run that was stopped or interrupted")
    train.add_argument("--preset", default=None, help=f"where to start from: {', '.join(PRESETS)} (default: balanced)")
    for group in GROUPS:
        add_settings(train, group)
    train.set_defaults(command=run_train)

    write = commands.add_parser("generate", help="write text with a trained model")
    write.add_argument("run", type=Path, metavar="RUN", help="the folder of a run or model")
    write.add_argument("--prime", default="", metavar="S", help="the opening text")
    add_settings(write, SamplingSettings)
    write.set_defaults(command=run_generate)

    score = commands.add_parser("evaluate", help="how well a model predicts a text, as JSON")
    score.add_argument("run", type=Path, metavar="RUN", help="the folder of a run or model")
    score.add_argument("text", type=Path, metavar="TEXT", help="a plain-text file")
    score.add_argument("--window", type=int, default=256, help="characters a window (default: 256)")
    score.set_defaults(command=run_evaluate)

    shelf = commands.add_parser("runs", help="what is on disk, with sizes and losses")
    shelf.add_argument("folder", type=Path, nargs="?", default=None, help="where to look (default: checkpoints)")
    shelf.set_defaults(command=run_runs)

    bundle = commands.add_parser("bundle", help="make the models that come with charrnn again")
    bundle.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    bundle.set_defaults(command=run_bundle)

    worker = commands.add_parser("worker")  # started by jobs.py, which writes one run's folder to its standard input
    worker.set_defaults(command=run_worker)
    return root


def add_settings(command: argparse.ArgumentParser, group: type) -> None:
    """A flag for each setting of the group; values are checked by the group itself, all together."""
    for f in fields(group):
        default = "chosen for the text" if f.default is None else f.default
        text = f"{f.metadata['help']} ({bounds(f)}; default: {default})".replace("%", "%%")
        flag = "--" + f.name.replace("_", "-")
        if type_of(group, f) is bool:
            command.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            command.add_argument(flag, default=None, metavar=f.name[0].upper(), help=text)


def run_train(started: float, texts: list[Path], out: Path, resume: Path, preset: str | None, **changes) -> int:
    changes = {name: value for name, value in changes.items() if value is not None}
    if resume and (texts or preset or changes):
        parser().error("--resume goes on with the run's own text and settings; give no others")
    if out and not texts:
        parser().error("name at least one TEXT to train on")
    if resume:
        run = Run(resume)
        run.config()
        stop = StopOnSignal()
    else:
        preset = preset or "balanced"
        settings = Settings.of(preset, **changes)
        corpus = Corpus.read(texts, settings.corpus)
        report = corpus.report()
        for note in (*report.notes, *report.warnings):
            say(note)
        stop = StopOnSignal()
        run = Run.create(out, corpus, settings, preset=preset)
        del corpus, report
    from .worker import train  # only now, because torch takes seconds, and what is wrong so far is said at once

    elapsed = 0.0 if resume else time.monotonic() - started
    last = None
    for event in train(run, lambda: stop.asked, elapsed):
        show(event)
        last = event if isinstance(event, (Finished, Failed)) else last
    if isinstance(last, Failed):
        return 1
    if run.has_model:
        say(f"The model is in {run.folder}. Try: python -m charrnn generate {run.folder}")
    return 0


class StopOnSignal:
    """Ctrl-C or SIGTERM asks for an orderly end; a second one ends at once."""

    def __init__(self):
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.ask)

    def ask(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def show(event: Event) -> None:
    """One event for a person at a terminal."""
    match event:
        case Started():
            say(f"{event.parameters:,} parameters on {event.device}. {event.reason}")
            say(f"Knowing nothing costs {event.uniform:.3f} nats/char, knowing letter counts {event.unigram:.3f}.")
        case Step():
            if sys.stderr.isatty():
                bar = "#" * round(20 * event.progress)
                left = event.elapsed * (1 - event.progress) / max(event.progress, 1e-6)
                line = f"[{bar:<20}] {event.progress:4.0%}  step {event.step:,}  epoch {event.epoch:.2f}"
                say(f"\r{line}  loss {event.loss:.3f}  {event.speed:,.0f} chars/s  {left:,.0f} s left ", end="")
        case Validation():
            say(
                f"\r{event.elapsed:6.1f} s  step {event.step:,}  epoch {event.epoch:.2f}  "
                f"training {event.train_loss:.4f}  validation {event.loss:.4f} nats/char{'  best' if event.best else ''}"
            )
        case Sample():
            say(f"    {event.text[:70]!r}")
        case Failed():
            say(f"\rcharrnn: {event.message}")
        case Finished():
            head, tail = {
                "budget": ("Done", ""),
                "passes": ("Done", " More passes would only be learned by heart."),
                "early": ("Ended early", " It no longer improved."),
                "stopped": ("Stopped", " It can go on with --resume."),
            }[event.reason]
            best = "" if event.best_loss is None else f", best validation loss {event.best_loss:.4f} nats/char"
            say(f"{head} after {event.elapsed:.1f} s{best}.{tail}")


def run_generate(started: float, run: Path, prime: str, **changes) -> None:
    settings = SamplingSettings(**{name: value for name, value in changes.items() if value is not None})
    model = Run(run).load()
    if model.settings.corpus.lowercase:
        prime = prime.lower()
    adapted = model.vocabulary.adapt(prime)
    if adapted.notice:
        say(adapted.notice)
    print(adapted.text, end="")
    for character in generate(model.engine, model.vocabulary, adapted.text, settings):
        print(character, end="", flush=character == "\n")
    print(flush=True)


def run_evaluate(started: float, run: Path, text: Path, window: int) -> None:
    if window < 1:
        parser().error("--window must be 1 or more")
    from .evaluation import score

    model = Run(run).load()
    print(json.dumps(score(model, Corpus.read([text]).text, window)))


def run_runs(started: float, folder: Path | None) -> None:
    for run in list_runs(folder or bundled_folder().parent / "checkpoints"):
        events, _ = run.events()
        losses = [event.loss for event in events if isinstance(event, Validation)]
        best = f"{min(losses):.4f} nats/char" if losses else "-"
        print(f"{run.name:<60} {run.status.state:<12} {run.size / 1e6:8.1f} MB  {best}")


def run_bundle(started: float, names: list[str]) -> None:
    from .bundle import MODELS, bundle

    for name in names or MODELS:
        say(f"{name}:")
        for event in bundle(name, bundled_folder().parent / "checkpoints" / name):
            show(event)


def run_worker(started: float) -> None:
    """Import what training needs, wait for a run's folder on standard input, and train it at lower priority."""
    import torch

    from .worker import train

    # The first optimiser of a process takes seconds to import what it may need; better now than when someone waits.
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    if not (folder := sys.stdin.readline().strip()):
        return  # the server is gone
    with contextlib.suppress(OSError, AttributeError):  # not every system has priorities
        os.nice(10)
    stop = StopOnSignal()
    for _ in train(Run(folder), lambda: stop.asked):
        pass


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
