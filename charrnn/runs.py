"""A run: one training and its folder. The only module that knows the layout of that folder.

    config.json, model.safetensors   the model with the best validation loss so far (see checkpoint.py)
    last.safetensors                 what resume needs; gone when the training is finished
    events.jsonl                     what the training said, one event a line
    corpus.txt                       the text as trained on
    corpus.index                     where its passages stand, made when it is first asked for (see copied.py)
    status.json                      state, owner, times
    lock                             held by the process that trains; released by the system when that process ends
    stop                             exists while that process is asked to stop
    tensorboard/                     event files, when tensorboard is installed
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import safetensors
import safetensors.numpy
from filelock import FileLock, Timeout

from . import checkpoint, files
from .corpus import Corpus, split
from .errors import RunError
from .events import Event, Failed, Finished, Started, from_json, to_json
from .settings import Settings
from .sizing import fit
from .vocabulary import Vocabulary

STATES = ("queued", "running", "stopped", "finished", "failed", "interrupted")
ACTIVE = ("queued", "running")
RESUMABLE = ("stopped", "interrupted", "failed")

# Whether a run is locked is asked by taking its lock; two threads that ask at once would each find it taken by the other.
_asking = threading.Lock()


@dataclass(frozen=True)
class Status:
    """What status.json holds. Times are seconds since 1970."""

    state: str = "queued"  # one of STATES
    message: str = ""
    owner: str | None = None  # hash of the owner's token; None: made on the command line, everyone may read it
    created: float = 0.0
    changed: float = 0.0
    pid: int | None = None


class Run:
    """A handle on a run's folder; it keeps nothing in memory but the path."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    @property
    def name(self) -> str:
        return self.folder.name

    @classmethod
    def create(
        cls, folder: Path | str, corpus: Corpus, settings: Settings, owner: str | None = None, preset: str = ""
    ) -> "Run":
        """A new run, queued, in a folder that is empty or not there yet.

        Raises RunError when the folder holds something, CorpusError when the text does not hold one sequence.
        """
        run = cls(folder)
        sized, _ = fit(settings, len(corpus), len(corpus.vocabulary))
        training, validation = split(len(corpus), settings.corpus.validation_share, sized.training.seq_length)
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.unwritable(run.folder, error) from None
        origin = {
            "name": corpus.name,
            "characters": len(corpus),
            "training": training.stop - training.start,
            "validation": validation.stop - validation.start,
            "overlap": max(0, training.stop - validation.start),
            "sha256": corpus.fingerprint,
            "preset": preset,
        }
        if any(run.folder.iterdir()):
            raise _taken(run.folder)
        with run.lock(timeout=0):  # of two that start here at the same moment, one has it
            if any(path.name != "lock" for path in run.folder.iterdir()):
                raise _taken(run.folder)
            try:
                files.replace(run.folder / "corpus.txt", corpus.text.encode())
                checkpoint.save_config(run.folder, settings, corpus.vocabulary, origin)
                run._write_status(Status(owner=hashed(owner) if owner else None, created=time.time()))
            except RunError:
                shutil.rmtree(run.folder, ignore_errors=True)
                raise
        return run

    # What there is to read

    @property
    def exists(self) -> bool:
        return os.path.isfile(self.folder / checkpoint.CONFIG)  # False for a name that no file can have, too

    def config(self) -> tuple[Settings, Vocabulary, dict]:
        """Settings, vocabulary and origin. Raises CheckpointError."""
        return checkpoint.load_config(self.folder)

    def load(self) -> checkpoint.Checkpoint:
        """The best model so far. Raises CheckpointError when there is none yet."""
        return checkpoint.load(self.folder)

    @property
    def has_model(self) -> bool:
        return (self.folder / checkpoint.WEIGHTS).is_file()

    @property
    def model_files(self) -> tuple[Path, Path]:
        """The two files that are a model by themselves."""
        return self.folder / checkpoint.CONFIG, self.folder / checkpoint.WEIGHTS

    @property
    def model_time(self) -> int:
        """When the model on disk was last replaced, in nanoseconds; 0 when there is none."""
        path = self.folder / checkpoint.WEIGHTS
        return path.stat().st_mtime_ns if path.exists() else 0

    @property
    def status(self) -> Status:
        """The status on disk; a run whose process is gone without a word is interrupted, whatever the file says."""
        try:
            data = json.loads((self.folder / "status.json").read_text(encoding="utf-8"))
            status = Status(**{f.name: data[f.name] for f in fields(Status) if f.name in data})
            if data["state"] not in STATES or not isinstance(status.created, (int, float)):
                raise ValueError
        except FileNotFoundError:
            return Status(state="finished")  # a bare model: config.json and model.safetensors alone
        except (OSError, ValueError, TypeError, KeyError):  # nobody's, since nobody can say whose it is
            return Status(state="failed", message="Its status.json is damaged.", owner="unknown")
        if status.state == "running" and not self.locked:
            return replace(status, state="interrupted", message=status.message or "Its process ended unexpectedly.")
        return status

    @property
    def bundled(self) -> bool:
        """Whether this is a bare model that nobody owns."""
        return not (self.folder / "status.json").exists()

    @property
    def corpus_path(self) -> Path:
        return self.folder / "corpus.txt"

    @property
    def index_path(self) -> Path:
        return self.folder / "corpus.index"

    @property
    def size(self) -> int:
        """Bytes on disk."""
        total = 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # a training run replaces its files while they are counted
                total += path.stat().st_size if path.is_file() else 0
        return total

    @property
    def log_id(self) -> int | None:
        """Changes when the log was rewritten (see `rewind`) instead of added to."""
        try:
            return (self.folder / "events.jsonl").stat().st_ino
        except OSError:
            return None

    def events(self, offset: int = 0) -> tuple[list[Event], int]:
        """The events after byte `offset` of the log, and the offset to go on from. A torn last line waits."""
        try:
            with open(self.folder / "events.jsonl", "rb") as file:
                file.seek(offset)
                data = file.read()
        except FileNotFoundError:
            return [], 0
        whole = data[: data.rfind(b"\n") + 1]
        events = (from_json(line) for line in whole.decode("utf-8", "replace").split("\n"))
        return [event for event in events if event is not None], offset + len(whole)

    # What the training process writes

    @contextlib.contextmanager
    def lock(self, timeout: float = 2.0) -> Iterator[None]:
        """Hold the run; raises RunError when there is none, or another process still holds it after `timeout` seconds."""
        if not self.folder.is_dir():  # FileLock would make the folder
            raise RunError(f"Opening the run in {self.folder}", "there is no such folder", "Choose one that is there")
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise RunError(
                f"Training in {self.folder}", "another process is training there now", "Wait until it ends, or stop it"
            ) from None
        except OSError as error:
            raise files.unwritable(self.folder / "lock", error) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def locked(self) -> bool:
        """Whether a process is training in this run now."""
        if not self.folder.is_dir():
            return False
        try:
            with _asking, self.lock(timeout=0):
                return False
        except RunError:
            return True

    def set_status(self, state: str, message: str = "", pid: int | None = None) -> None:
        """Change the state, keeping owner and creation time."""
        self._write_status(replace(self.status, state=state, message=message, pid=pid))

    def _write_status(self, status: Status) -> None:
        status = replace(status, changed=time.time())
        files.replace(self.folder / "status.json", (json.dumps(asdict(status), indent=2) + "\n").encode())

    def append(self, event: Event) -> None:
        """Add a line to the log. Raises RunError when the disk is full; a torn line does no harm."""
        try:
            with open(self.folder / "events.jsonl", "ab") as file:
                file.write((to_json(event) + "\n").encode())
        except OSError as error:
            raise files.unwritable(self.folder / "events.jsonl", error) from None

    def rewind(self, step: int) -> None:
        """Forget what the log says of later steps than `step`, of an end, and a torn end, before a resumed run writes on.

        Its first line, on how it started, stays.
        """
        events = self.events()[0]
        first = [event for event in events if isinstance(event, Started)][:1]
        kept = [event for event in events if event.step <= step and not isinstance(event, (Started, Finished, Failed))]
        lines = "".join(to_json(event) + "\n" for event in (first + kept if step else []))
        files.replace(self.folder / "events.jsonl", lines.encode())

    def save_best(self, weights: dict) -> None:
        """Replace model.safetensors."""
        checkpoint.save_weights(self.folder, weights)

    def save_config(self, settings: Settings, vocabulary: Vocabulary, origin: dict) -> None:
        """Replace config.json, once the sizes are chosen."""
        checkpoint.save_config(self.folder, settings, vocabulary, origin)

    def save_last(self, tensors: dict, meta: dict) -> None:
        """Replace last.safetensors."""
        data = safetensors.numpy.save(tensors, metadata={"training": json.dumps(meta)})
        files.replace(self.folder / "last.safetensors", data)

    def load_last(self) -> tuple[dict, dict] | None:
        """The tensors and metadata that `save_last` wrote, or None. Raises RunError when the file is damaged."""
        path = self.folder / "last.safetensors"
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, "numpy") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["training"])
        except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"Resuming {self.folder}", f"last.safetensors is damaged ({error})", "Start a new training with its corpus.txt"
            ) from None

    def remove_leftovers(self) -> None:
        """Remove what a process that was killed while it saved left behind."""
        files.remove_leftovers(self.folder, (checkpoint.WEIGHTS, "last.safetensors", "events.jsonl"))

    def drop_last(self) -> None:
        (self.folder / "last.safetensors").unlink(missing_ok=True)

    # What others ask of it

    def request_stop(self) -> None:
        """Ask the training process to save and end. Raises RunError when there is none, or the disk is full."""
        if self.status.state not in ACTIVE:
            raise RunError(f"Stopping {self.name}", f"it is not running ({self.status.state})", "There is nothing to do")
        try:
            (self.folder / "stop").touch()
        except OSError as error:
            raise files.unwritable(self.folder / "stop", error) from None

    @property
    def stop_requested(self) -> bool:
        return (self.folder / "stop").exists()

    def clear_stop(self) -> None:
        (self.folder / "stop").unlink(missing_ok=True)

    def readable_by(self, token: str | None) -> bool:
        """Whether the holder of this token may look at the run and generate from it."""
        owner = self.status.owner
        return owner is None or (isinstance(token, str) and token != "" and secrets.compare_digest(owner, hashed(token)))

    def check_owner(self, token: str | None) -> None:
        """Raise RunError unless the run was started by the holder of this token."""
        if not self.exists or self.bundled or self.status.owner is None or not self.readable_by(token):
            raise RunError(
                "Opening this run", "it is not there, or it belongs to someone else", "Choose one of the runs in your list"
            )

    def delete(self) -> None:
        """Remove the folder and all in it. Raises RunError while a process trains there, or when it cannot be removed."""
        with self.lock(timeout=10.0):
            pass
        try:
            shutil.rmtree(self.folder)
        except OSError as error:
            raise RunError(
                f"Deleting {self.name}", error.strerror or str(error), "Check that the folder may be changed, and try again"
            ) from None


def _taken(folder: Path) -> RunError:
    return RunError(
        f"Starting a training in {folder}",
        "the folder is not empty",
        "Choose another folder, or go on with the training in it by --resume",
    )


def hashed(token: str) -> str:
    """What is kept of an owner's token: its SHA-256."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_name(corpus_name: str) -> str:
    """A folder name that says what and when, and cannot be guessed."""
    slug = re.sub(r"[^a-z0-9]+", "-", corpus_name.lower()).strip("-")[:40] or "text"
    return f"{slug}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def find(root: Path | str, name: str) -> Run:
    """The run of this name below `root`. Raises RunError when there is none."""
    run = Run(Path(root) / str(name))
    if not name or name == ".." or Path(str(name)).name != name or not run.exists:
        raise RunError("Opening this run", "it is not there, or it belongs to someone else", "Choose one of the runs in your list")
    return run


def list_runs(root: Path | str) -> list[Run]:
    """All runs below `root`, newest first; bare models last, by name. Raises RunError when it cannot be looked into."""
    root = Path(root)
    try:
        runs = [Run(path) for path in sorted(root.iterdir()) if path.is_dir()]
    except FileNotFoundError:
        runs = []
    except OSError as error:
        raise RunError(f"Looking for runs in {root}", error.strerror or str(error), "Name a folder that can be read") from None
    return sorted((run for run in runs if run.exists), key=lambda run: -run.status.created)
