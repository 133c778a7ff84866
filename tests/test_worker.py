"""A training on disk: what a stop, a crash, a full disk and a meddled-with folder leave behind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import checkpoint
from charrnn.corpus import Corpus
from charrnn.errors import CorpusError, RunError
from charrnn.events import Failed, Finished, Saved, Step, Validation
from charrnn.runs import Run
from charrnn.worker import train

ROOT = Path(__file__).parent.parent


@pytest.fixture
def make(corpus, small, tmp_path):
    """A function that makes a new run of the same training."""
    count = iter(range(100))
    return lambda **changes: Run.create(tmp_path / f"run-{next(count)}", corpus, small(**changes))


def stop_after(steps: int):
    left = iter(range(steps))
    return lambda: next(left, None) is None


def weights(run: Run) -> bytes:
    return (run.folder / "model.safetensors").read_bytes()


def last_validation(run: Run) -> Validation:
    event = [event for event in run.events()[0] if isinstance(event, Validation)][-1]
    return {key: value for key, value in vars(event).items() if key != "elapsed"}


@pytest.fixture(scope="module")
def whole(corpus, small, tmp_path_factory) -> Run:
    """The training of `make()`, never stopped."""
    run = Run.create(tmp_path_factory.mktemp("whole") / "run", corpus, small())
    assert isinstance(list(train(run))[-1], Finished)
    return run


def same_as(run: Run, whole: Run) -> bool:
    return weights(run) == weights(whole) and last_validation(run) == last_validation(whole)


# The usual course


def test_a_finished_run_keeps_the_model_and_not_what_resume_needs(trained):
    assert trained.status.state == "finished" and not (trained.folder / "last.safetensors").exists()
    assert not trained.locked and trained.load().engine
    events = trained.events()[0]
    assert isinstance(events[-1], Finished) and sum(event.step for event in events if isinstance(event, Step)) > 0
    assert any(isinstance(event, Saved) for event in events)
    with pytest.raises(RunError, match="this training is finished"):
        list(train(trained))
    assert trained.status.state == "finished"


@pytest.mark.parametrize("steps", [1, 5, 11])
def test_stop_and_resume_is_uninterrupted(make, whole, steps):
    run = make()
    events = list(train(run, stop_after(steps)))
    assert run.status.state == "stopped" and events[-1].step == steps and isinstance(events[-1], Saved)
    assert run.has_model  # also when it was stopped at once
    assert isinstance(list(train(run))[-1], Finished) and run.status.state == "finished"
    assert same_as(run, whole)
    log = run.events()[0]
    steps = [event.step for event in log]
    assert steps == sorted(steps) and sum(isinstance(event, Finished) for event in log) == 1


def test_a_process_that_dies_anywhere_costs_nothing_but_time(make, whole):
    for events in range(1, 30, 4):
        run = make()
        course = train(run)
        for _ in range(events):
            next(course)
        course.close()  # as when its process is killed: nothing more is written
        assert run.status.state == "interrupted"
        assert isinstance(list(train(run))[-1], Finished)
        assert same_as(run, whole), events


def test_a_stop_in_the_folder_is_heeded_and_not_remembered(make):
    run = make(steps=100_000)
    for event in train(run):
        if isinstance(event, Step) and event.step == 4:
            run.request_stop()
    assert run.status.state == "stopped" and event.step == 4
    course = train(run)  # the request of last time does not stop this one
    assert any(isinstance(event, Step) for event in (next(course) for _ in range(3)))
    course.close()


def test_a_stop_that_comes_before_the_start_is_heeded(make):
    run = make(steps=100_000)
    run.request_stop()
    assert not [event for event in train(run) if isinstance(event, Step)]
    assert run.status.state == "stopped"


def test_two_trainings_into_one_folder(make, whole):
    run = make()
    course = train(run)
    next(course)
    assert run.status.state == "running" and run.status.pid == os.getpid()
    with pytest.raises(RunError, match="another process is training there now"):
        next(train(run))
    assert isinstance(list(course)[-1], Finished) and same_as(run, whole)


def test_chosen_sizes_are_kept_for_resume(corpus, tmp_path):
    from charrnn.settings import Settings

    run = Run.create(tmp_path / "x", corpus, Settings.of("quick", steps=2, hidden_size=8))
    list(train(run, stop_after(1)))
    settings = run.config()[0]
    assert settings.model.hidden_size == 8 and settings.model.dropout is not None and settings.training.seq_length is not None
    assert isinstance(list(train(run))[-1], Finished)


@pytest.mark.parametrize("length", [2, 10, 40, 70, 200])
def test_a_tiny_text_with_nothing_set_trains_or_is_refused_at_once(length, written, tmp_path):
    from charrnn.settings import Settings

    text = Corpus.from_text(written(length))
    try:
        run = Run.create(tmp_path / "x", text, Settings.of("quick", steps=2))
    except CorpusError as error:
        assert length < 100 and "sequence" in str(error) and not (tmp_path / "x").exists()
    else:
        assert isinstance(list(train(run))[-1], Finished)


def test_tensorboard_files_can_be_read(trained):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(trained.folder / "tensorboard"))
    board.Reload()
    tags = board.Tags()
    assert {"loss/train", "loss/validation", "learning_rate"} <= set(tags["scalars"])
    assert [event.step for event in board.Scalars("loss/train")] == list(range(1, 41))
    expected = [event.loss for event in trained.events()[0] if isinstance(event, Validation)]
    assert [event.value for event in board.Scalars("loss/validation")] == pytest.approx(expected, abs=1e-6)


# What can go wrong


@pytest.mark.parametrize("name", ["last.safetensors", "corpus.txt", "config.json"])
@pytest.mark.parametrize("spoil", ["gone", "empty", "half", "bits"])
def test_resume_from_a_spoilt_folder_ends_in_words(make, name, spoil):
    run = make()
    list(train(run, stop_after(5)))
    path = run.folder / name
    raw = path.read_bytes()
    match spoil:
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "half":
            path.write_bytes(raw[: len(raw) // 2])
        case "bits":
            path.write_bytes(raw[:90] + bytes(255 - b for b in raw[90:200]) + raw[200:])
    last = list(train(run))[-1]
    if name == "last.safetensors" and spoil == "gone":
        assert isinstance(last, Finished)  # it starts over
    else:
        assert isinstance(last, Failed) and str(run.folder) in last.message and "unexpected" not in last.message
        assert run.status.state == "failed" and run.status.message == last.message
        path.write_bytes(raw)  # put back, it goes on
        assert isinstance(list(train(run))[-1], Finished)


def test_a_config_without_its_origin(make):
    run = make()
    config = json.loads((run.folder / "config.json").read_text())
    (run.folder / "config.json").write_text(json.dumps(config | {"corpus": None}))
    last = list(train(run))[-1]
    assert isinstance(last, Failed) and "not the text" in last.message


def test_divergence_is_written_down_and_the_best_model_stays(make):
    run = make(steps=500, cell="rnn", hidden_size=64, learning_rate=1.0, clip_norm=0.0, schedule="constant")
    last = list(train(run))[-1]
    assert isinstance(last, Failed) and run.status.state == "failed" and run.status.message == last.message
    assert run.events()[0][-1] == last
    if run.has_model:
        run.load()


def test_leftovers_of_a_killed_save_are_removed(make):
    run = make()
    (run.folder / ".last.safetensors.0123").write_bytes(b"x")
    list(train(run))
    assert not [path.name for path in run.folder.iterdir() if path.name.startswith(".")]


def test_leaving_the_folder_gone_ends_in_words(make):
    run = make()
    shutil.rmtree(run.folder)
    with pytest.raises(RunError, match="no such folder"):
        list(train(run))
    assert not run.folder.exists()


LIMITED = """
import resource, sys
from charrnn.events import Failed
from charrnn.runs import Run
from charrnn.worker import train
import torch
torch.set_num_threads(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
events = list(train(Run(sys.argv[1])))
assert isinstance(events[-1], Failed), events[-1]
print(events[-1].message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs file size limits")
def test_a_file_that_may_not_grow_leaves_the_old_one(make, whole):
    """The system refuses to write more than so many bytes into one file, as a full disk does."""
    run = make()
    list(train(run, stop_after(5)))
    before = {path.name: path.read_bytes() for path in run.folder.glob("*.safetensors")}
    limit = len(before["last.safetensors"]) - 100
    assert limit > len(before["model.safetensors"])
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, run.folder, str(limit)], capture_output=True, text=True, env=environment, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert "the disk is full" in result.stdout and "free some space" in result.stdout and "Traceback" not in result.stderr
    assert (run.folder / "last.safetensors").read_bytes() == before["last.safetensors"]
    run.load()
    assert run.status.state == "failed" and not list(run.folder.glob(".*"))
    assert isinstance(list(train(run))[-1], Finished) and same_as(run, whole)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own with 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            return filler


def test_a_full_disk_keeps_what_was_saved_and_the_run_goes_on_when_there_is_space(small_disk, corpus, small, whole):
    run = Run.create(small_disk / "run", corpus, small())
    before, filler = {}, None
    for event in train(run):
        if isinstance(event, Saved) and filler is None:
            before = {path.name: path.read_bytes() for path in run.folder.glob("*.safetensors")}
            filler = fill(small_disk)
    assert isinstance(event, Failed) and "the disk is full" in event.message
    assert {path.name: path.read_bytes() for path in run.folder.glob("*.safetensors")} == before
    checkpoint.load(run.folder)
    assert run.status.state in ("interrupted", "failed") and not list(run.folder.glob(".*"))
    filler.unlink()
    assert isinstance(list(train(run))[-1], Finished) and same_as(run, whole)


def test_a_run_that_does_not_fit_on_the_disk_is_refused_and_leaves_nothing(small_disk, corpus, small):
    filler = fill(small_disk)
    with pytest.raises(RunError, match="the disk is full"):
        Run.create(small_disk / "run", corpus, small())
    assert os.listdir(small_disk) == ["filler"]
    filler.unlink()
