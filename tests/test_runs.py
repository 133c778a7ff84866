"""A run's folder: what it keeps, and what can befall it."""

import json
import os
import shutil
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from charrnn.corpus import Corpus
from charrnn.errors import CheckpointError, CorpusError, RunError
from charrnn.events import Failed, Finished, Saved, Started, Step, Validation, to_json
from charrnn.runs import Run, find, hashed, list_runs, new_name


@pytest.fixture
def run(corpus, small, tmp_path) -> Run:
    return Run.create(tmp_path / "runs" / "one", corpus, small(), owner="token", preset="quick")


def test_a_new_run_has_all_it_needs(run, corpus, small):
    settings, vocabulary, origin = run.config()
    assert settings == small() and vocabulary == corpus.vocabulary
    assert origin["name"] == "made up" and origin["preset"] == "quick" and origin["sha256"] == corpus.fingerprint
    assert (origin["characters"], origin["training"], origin["validation"], origin["overlap"]) == (1500, 1350, 150, 0)
    assert run.corpus_path.read_bytes().decode() == corpus.text
    assert run.exists and not run.has_model and not run.bundled and not run.locked
    assert run.status.state == "queued" and time.time() - 60 < run.status.created <= run.status.changed


def test_a_folder_that_holds_something_is_left_alone(run, corpus, small, tmp_path):
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    with pytest.raises(RunError, match="not empty.*--resume"):
        Run.create(run.folder, corpus, small())
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before
    (tmp_path / "file").touch()
    with pytest.raises(RunError):
        Run.create(tmp_path / "file", corpus, small())
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty", corpus, small()).exists


def test_of_two_that_start_at_the_same_moment_one_has_the_folder(corpus, small, tmp_path):
    other = Corpus.from_text(corpus.text[::-1])
    for attempt in range(10):
        results, gate = [], threading.Barrier(2)

        def start(text):
            gate.wait()
            try:
                results.append(Run.create(tmp_path / str(attempt), text, small()).config()[2]["sha256"])
            except RunError:
                results.append(None)

        threads = [threading.Thread(target=start, args=(text,)) for text in (corpus, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results.count(None) == 1
        run = Run(tmp_path / str(attempt))
        written = Corpus.read([run.corpus_path]).fingerprint
        assert written == run.config()[2]["sha256"] == next(filter(None, results))


def test_a_text_shorter_than_a_sequence_makes_no_folder(small, tmp_path):
    with pytest.raises(CorpusError, match="one sequence takes 9"):
        Run.create(tmp_path / "x", Corpus.from_text("abcdefgh"), small())
    assert not (tmp_path / "x").exists()


def test_a_tiny_text_says_that_validation_overlaps(small, tmp_path):
    run = Run.create(tmp_path / "x", Corpus.from_text("abcdefghij"), small())
    assert run.config()[2]["training"] == 10 and run.config()[2]["overlap"] == 2


# Events


def step(n: int) -> Step:
    return Step(n, n / 10, n / 100, 2.0, 0.1, 1000.0, n / 50)


def test_events_are_read_on_from_where_one_stopped(run):
    assert run.events() == ([], 0) and run.log_id is None
    run.append(step(1))
    run.append(step(2))
    events, offset = run.events()
    assert events == [step(1), step(2)] and offset == (run.folder / "events.jsonl").stat().st_size
    assert run.events(offset) == ([], offset)
    run.append(step(3))
    assert run.events(offset)[0] == [step(3)]


def test_a_torn_last_line_waits_until_it_is_whole(run):
    run.append(step(1))
    line = (to_json(step(2)) + "\n").encode()
    _, offset = run.events()
    path = run.folder / "events.jsonl"
    for cut in range(len(line)):
        path.write_bytes(path.read_bytes()[:offset] + line[:cut])
        assert run.events(offset) == ([], offset)
    path.write_bytes(path.read_bytes()[:offset] + line)
    assert run.events(offset)[0] == [step(2)]


def test_a_spoilt_line_in_the_middle_is_passed_over(run):
    run.append(step(1))
    with open(run.folder / "events.jsonl", "ab") as file:
        file.write(b'{"event": "st\xff\n\x00\x00\n\n')
    run.append(step(2))
    assert run.events()[0] == [step(1), step(2)]


def test_rewind_forgets_later_steps_ends_and_torn_lines(run):
    started = Started(0, 0.0, 10, "cpu", 3.0, 2.0)
    again = Started(2, 0.3, 10, "cpu", 3.0, 2.0)
    check = Validation(2, 0.2, 0.1, 2.5, 2.4, True)
    for event in (started, step(1), step(2), check, Finished(2, 0.2, "stopped", 2.5), Saved(2, 0.2), again, step(3), Failed(3, 0.3, "x")):
        run.append(event)
    with open(run.folder / "events.jsonl", "ab") as file:
        file.write(b'{"event": "step", "st')
    log = run.log_id
    run.rewind(2)
    assert run.events()[0] == [started, step(1), step(2), check, Saved(2, 0.2)]
    assert run.log_id != log
    run.append(step(3))
    assert run.events()[0][-1] == step(3)
    run.rewind(0)
    assert run.events() == ([], 0)


# Status


def test_running_without_a_process_is_interrupted(run):
    run.set_status("running", pid=os.getpid())
    assert run.status.state == "interrupted" and "unexpectedly" in run.status.message
    with run.lock():
        assert run.status.state == "running" and run.locked
        with pytest.raises(RunError, match="another process is training"):
            with run.lock(timeout=0):
                pass
    assert run.status.state == "interrupted"
    run.set_status("stopped")
    assert run.status.state == "stopped" and run.status.owner == hashed("token")


def test_those_who_ask_at_once_do_not_take_each_other_for_the_trainer(run):
    run.set_status("running", pid=os.getpid())
    with ThreadPoolExecutor(8) as pool:
        states = set(pool.map(lambda _: run.status.state, range(400)))
    assert states == {"interrupted"}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"queued"', b"{}", b"\xff\xfe", b'{"state": "dancing"}',
                                 b'{"state": []}', b'{"state": "queued", "created": "now"}'])  # fmt: skip
def test_a_damaged_status_makes_a_run_nobodys_and_starts_nothing(run, raw):
    (run.folder / "status.json").write_bytes(raw)
    assert run.status.state == "failed" and "damaged" in run.status.message
    for token in ("token", "", None, "unknown"):
        assert not run.readable_by(token)
        with pytest.raises(RunError):
            run.check_owner(token)
    assert [other.name for other in list_runs(run.folder.parent)] == ["one"]


def test_a_bare_model_belongs_to_everyone(trained, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(trained.folder / name, tmp_path)
    run = Run(tmp_path)
    assert run.bundled and run.status.state == "finished" and run.readable_by(None) and run.readable_by("x")
    with pytest.raises(RunError):
        run.check_owner("x")


# Owners


def test_only_the_owner_passes(run):
    run.check_owner("token")
    assert run.readable_by("token")
    for stranger in ("Token", "", None, "token ", hashed("token"), 7, ["token"], "\ud800", "é"):
        assert not run.readable_by(stranger)
        with pytest.raises(RunError, match="belongs to someone else"):
            run.check_owner(stranger)


def test_the_token_itself_is_never_on_disk(run):
    assert not any(b"token" in path.read_bytes() for path in run.folder.iterdir())


def test_what_is_not_there_and_what_is_not_yours_sound_alike(run, tmp_path):
    with pytest.raises(RunError) as absent:
        Run(tmp_path / "runs" / "absent").check_owner("token")
    with pytest.raises(RunError) as foreign:
        run.check_owner("other")
    assert str(absent.value) == str(foreign.value)


def test_a_run_from_the_command_line_is_read_by_all_and_changed_by_none(corpus, small, tmp_path):
    run = Run.create(tmp_path / "x", corpus, small())
    assert run.readable_by(None)
    with pytest.raises(RunError):
        run.check_owner("anyone")


# Finding


@pytest.mark.parametrize("name", ["", ".", "..", "../one", "/etc", "one/", "one/../one", "x" * 5000, "a\0b", None, 7, "absent"])
def test_only_a_plain_name_finds_a_run(run, name):
    root = run.folder.parent / "below"
    root.mkdir()
    shutil.copytree(run.folder, root / "one")
    shutil.copy(run.folder / "config.json", run.folder.parent)  # so that `..` would lead to a model
    assert find(root, "one").exists
    with pytest.raises(RunError):
        find(root, name)


def test_runs_are_listed_newest_first_and_bare_models_last(run, corpus, small, trained, tmp_path):
    root = run.folder.parent
    second = Run.create(root / "another", corpus, small())
    second._write_status(replace(second.status, created=time.time() + 5))
    for name in ("zoo", "ape"):
        (root / name).mkdir()
        shutil.copy(trained.folder / "config.json", root / name)
    (root / "empty").mkdir()
    (root / "file").touch()
    assert [r.name for r in list_runs(root)] == ["another", "one", "ape", "zoo"]
    assert list_runs(root / "absent") == []
    with pytest.raises(RunError, match="Looking for runs"):
        list_runs(root / "file")


def test_names_say_what_and_cannot_be_guessed():
    names = {new_name("Ein Übermut!/../x" + "y" * 100) for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith("ein-bermut-x-yyy") or name.startswith("ein-bermut-xyyy") for name in names)
    assert all(len(name) < 80 and "/" not in name for name in names)
    assert new_name("漢字").startswith("text-")


# Stop and delete


@pytest.mark.parametrize("state", ["stopped", "finished", "failed", "interrupted"])
def test_what_has_ended_cannot_be_stopped(run, state):
    run.set_status(state)
    with pytest.raises(RunError, match=f"not running \\({state}\\)"):
        run.request_stop()
    assert not run.stop_requested


def test_a_stop_is_asked_for_once_and_can_be_taken_back(run):
    run.request_stop()
    run.request_stop()
    assert run.stop_requested
    run.clear_stop()
    run.clear_stop()
    assert not run.stop_requested


def test_delete(run):
    with run.lock():
        with pytest.raises(RunError, match="another process"):
            run.delete()
    assert run.exists
    run.delete()
    assert not run.folder.exists() and not run.locked
    with pytest.raises(RunError, match="no such folder"):
        run.delete()
    assert not run.folder.exists()


def test_size_counts_files_that_come_and_go(run):
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            run.set_status("queued")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        assert all(run.size > 1500 for _ in range(200))
    finally:
        stop.set()
        thread.join()


def test_config_and_weights_can_be_read_by_others(trained):
    for name in ("config.json", "model.safetensors", "corpus.txt"):
        assert stat.S_IMODE((trained.folder / name).stat().st_mode) & 0o044 == 0o666 & ~_umask() & 0o044


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


# What resume needs


def test_a_damaged_last_is_an_error_in_words(run):
    import numpy as np

    assert run.load_last() is None
    run.save_last({"a": np.arange(1000.0)}, {"step": 3})
    tensors, meta = run.load_last()
    assert meta == {"step": 3} and (tensors["a"] == np.arange(1000.0)).all()
    whole = (run.folder / "last.safetensors").read_bytes()
    for cut in (0, 1, 7, 8, 20, 100, 1000, len(whole) - 1):
        (run.folder / "last.safetensors").write_bytes(whole[:cut])
        with pytest.raises(RunError, match="last.safetensors is damaged"):
            run.load_last()
    from safetensors.numpy import save

    (run.folder / "last.safetensors").write_bytes(save({"a": np.zeros(1)}))
    with pytest.raises(RunError, match="damaged"):
        run.load_last()


def test_a_run_without_a_readable_config(run):
    (run.folder / "config.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(CheckpointError):
        run.config()
    assert [other.name for other in list_runs(run.folder.parent)] == ["one"]
