"""The command line, as a person at a terminal uses it: a real process each time."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

import pytest

from charrnn.__main__ import parser
from charrnn.runs import Run
from charrnn.settings import GROUPS, SamplingSettings

ROOT = Path(__file__).parent.parent
SMALL = (
    "--hidden-size 12 --embedding-size 6 --dropout 0.2 --seq-length 8 --batch-size 4 --learning-rate 0.01 --passes 100000"
).split()


@pytest.fixture(scope="module")
def book(written, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "büch.txt"
    path.write_text(written(1500), encoding="utf-8")
    return path


def failed_in_one_line(result, *words: str) -> None:
    """Exit status 1, nothing on stdout, no traceback, and one last line that says what happened."""
    errors = result.stderr.decode()
    assert result.returncode == 1, errors
    assert result.stdout == b"" and "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("charrnn: ") and last.endswith(".")
    for word in words:
        assert word in last


def begin(*arguments) -> subprocess.Popen:
    """A training that goes on in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", "train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def wait_for_save(run: Run) -> None:
    until = time.monotonic() + 60
    while not (run.folder / "last.safetensors").exists():
        assert time.monotonic() < until, "nothing was saved"
        time.sleep(0.05)


# Train, generate, evaluate, runs


@pytest.fixture(scope="module")
def model(book, tmp_path_factory, command) -> Path:
    """A run that the command line trained."""
    out = tmp_path_factory.mktemp("runs") / "r"
    result = command("train", book, "--out", out, "--preset", "quick", "--epochs", 0.8, "--seed", 3, *SMALL)
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout == b""
    errors = result.stderr.decode()
    assert "short text" in errors and "parameters on" in errors and "nats/char" in errors and str(out) in errors
    assert "\x1b" not in errors and "chars/s" not in errors  # no progress bar where nobody is at the terminal
    return out


def test_a_trained_run_is_finished(model):
    run = Run(model)
    assert run.status.state == "finished" and run.config()[0].training.seed == 3 and run.config()[0].training.epochs == 0.8
    assert run.config()[2]["preset"] == "quick" and run.config()[2]["name"] == "büch"


def test_generate_writes_the_prime_and_the_text_and_nothing_else(model, command):
    first = command("generate", model, "--prime", "Ba", "--length", 60, "--seed", 5)
    assert first.returncode == 0 and first.stderr == b""
    text = first.stdout.decode()
    assert text.startswith("Ba") and len(text) == 63 and text.endswith("\n")
    assert command("generate", model, "--prime", "Ba", "--length", 60, "--seed", 5).stdout == first.stdout
    assert command("generate", model, "--prime", "Ba", "--length", 60, "--seed", 6).stdout != first.stdout
    cold = [command("generate", model, "--temperature", 0, "--seed", seed, "--length", 30).stdout for seed in (1, 2)]
    assert cold[0] == cold[1]


def test_the_same_text_from_python(model, command):
    from charrnn.sampling import generate

    loaded = Run(model).load()
    expected = "".join(generate(loaded.engine, loaded.vocabulary, "Ba", SamplingSettings(length=80, seed=9, top_k=5, top_p=0.9)))
    result = command("generate", model, "--prime", "Ba", "--length", 80, "--seed", 9, "--top-k", 5, "--top-p", 0.9)
    assert result.stdout.decode() == "Ba" + expected + "\n"


def test_unknown_characters_of_the_prime_are_told_on_stderr(model, command):
    result = command("generate", model, "--prime", "bá漢", "--length", 5)
    assert result.returncode == 0 and result.stdout.decode().startswith("ba") and len(result.stdout.decode()) == 8
    assert "read “á” as “a” and left out “漢”" in result.stderr.decode()


def test_two_files_copied_elsewhere_generate(model, command, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(model / name, tmp_path)
    result = command("generate", tmp_path, "--length", 40, cwd=tmp_path)
    assert result.stdout == command("generate", model, "--length", 40).stdout and result.returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["config.json", "model.safetensors"]


def test_a_reader_who_has_seen_enough(model):
    line = f"{sys.executable} -m charrnn generate {model} --length 20000 | head -c 10"
    result = subprocess.run(["bash", "-c", line], capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60)
    assert len(result.stdout) == 10 and result.stderr == b""


def test_a_terminal_that_knows_only_ascii(model, book, command, tmp_path):
    environment = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = command("generate", model, "--prime", "“ba", "--length", 20, env=environment)
    assert result.returncode == 0 and "Traceback" not in result.stderr.decode()
    assert command("evaluate", model, book, env=environment).returncode == 0


def test_evaluate_gives_json(model, book, command):
    result = command("evaluate", model, book, "--window", 64)
    assert result.returncode == 0 and result.stderr == b""
    score = json.loads(result.stdout)
    assert (score["chars"], score["unknown"], score["window"]) == (1500, 0, 64)
    assert score["bits_per_char"] == pytest.approx(score["nats_per_char"] / 0.6931471805599453)
    assert 0 < score["carried_nats_per_char"] < 5


def test_runs_lists_what_is_there(model, command, tmp_path):
    result = command("runs", model.parent)
    line = result.stdout.decode()
    assert result.returncode == 0 and result.stderr == b"" and line.count("\n") == 1
    assert re.search(r"^r +finished +\d+\.\d MB +\d\.\d{4} nats/char$", line.rstrip("\n"))
    assert command("runs", tmp_path).stdout == b""


# Stop and resume


def test_ctrl_c_stops_in_an_orderly_way_and_resume_goes_on(book, command, tmp_path):
    run = Run(tmp_path / "r")
    process = begin(book, "--out", run.folder, "--minutes", 5, *SMALL)
    wait_for_save(run)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and out == b"" and b"Traceback" not in errors and b"with --resume" in errors
    assert run.status.state == "stopped"
    assert len(command("generate", run.folder, "--length", 9).stdout) == 10  # what it had learned by then

    resumed = begin("--resume", run.folder)
    until = time.monotonic() + 60
    while run.status.state != "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    resumed.kill()  # and killed outright
    resumed.communicate()
    assert run.status.state == "interrupted"
    run.load()

    config = json.loads((run.folder / "config.json").read_text())
    config["settings"]["training"] |= {"minutes": 0.02}  # so that it ends at once
    (run.folder / "config.json").write_text(json.dumps(config))
    result = command("train", "--resume", run.folder)
    assert result.returncode == 0 and b"Done after" in result.stderr, result.stderr
    assert run.status.state == "finished"
    failed_in_one_line(command("train", "--resume", run.folder), "this training is finished")


def test_two_trainings_into_one_folder(book, command, tmp_path):
    run = Run(tmp_path / "r")
    process = begin(book, "--out", run.folder, "--minutes", 5, *SMALL)
    try:
        wait_for_save(run)
        failed_in_one_line(command("train", book, "--out", run.folder, *SMALL), "the folder is not empty")
        failed_in_one_line(command("train", "--resume", run.folder), "another process is training there now")
        assert process.poll() is None and run.status.state == "running"
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert b"Stopped" in errors and run.status.state == "stopped"


# Errors: status 1 and one line


def test_texts_that_cannot_be_used(book, command, tmp_path):
    cases = {"empty": (b"", "empty"), "ones": (b"a" * 900, "only one distinct"), "short": (b"abcdefgh", "one sequence takes 9"),
             "binary": (bytes(range(256)) * 20, "binary")}  # fmt: skip
    for name, (raw, words) in cases.items():
        (tmp_path / name).write_bytes(raw)
        failed_in_one_line(command("train", tmp_path / name, "--out", tmp_path / "r", "--steps", 1, *SMALL), words)
    failed_in_one_line(command("train", tmp_path / "gone", "--out", tmp_path / "r"), "No such file")
    failed_in_one_line(command("train", tmp_path, "--out", tmp_path / "r"), "directory")
    assert not (tmp_path / "r").exists()


def test_settings_that_are_wrong_are_named_together(book, command, tmp_path):
    wrong = ("--hidden-size", "-4", "--learning-rate", "nan", "--cell", "brain", "--minutes", "1", "--epochs", "2")
    failed_in_one_line(command("train", book, "--out", tmp_path / "r", *wrong), "hidden_size", "learning_rate", "cell")
    failed_in_one_line(command("train", book, "--out", tmp_path / "r", "--preset", "fast"), "'fast'", "quick, balanced, best, long")
    failed_in_one_line(command("train", book, "--out", tmp_path / "r", "--steps", 1, "--epochs", 1), "exactly one")
    assert not (tmp_path / "r").exists()


def test_models_that_cannot_be_used(model, book, command, tmp_path):
    failed_in_one_line(command("generate", tmp_path), "no config.json")
    failed_in_one_line(command("generate", model, "--temperature", 3, "--length", "x"), "temperature", "length")
    failed_in_one_line(command("evaluate", tmp_path / "gone", book), "no config.json")
    failed_in_one_line(command("evaluate", model, tmp_path / "gone"), "No such file")
    failed_in_one_line(command("train", "--resume", tmp_path), "no config.json")
    failed_in_one_line(command("runs", book), "Looking for runs")
    for name in ("config.json", "model.safetensors"):
        shutil.copy(model / name, tmp_path)
    failed_in_one_line(command("train", "--resume", tmp_path), "finished")
    os.truncate(tmp_path / "model.safetensors", 500)
    failed_in_one_line(command("generate", tmp_path), "model.safetensors is damaged")


def test_a_disk_that_is_full_from_the_start(book, command, tmp_path):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # noqa: E731
    failed_in_one_line(command("train", book, "--out", tmp_path / "r", "--steps", 1, *SMALL, preexec_fn=limit), "the disk is full")
    assert not (tmp_path / "r").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_folders_that_may_not_be_read_or_written(model, request):
    base = Path(tempfile.mkdtemp())  # not tmp_path, which is closed to others altogether
    request.addfinalizer(lambda: shutil.rmtree(base))
    base.chmod(0o755)
    folder = base / "mine"
    shutil.copytree(model, folder)
    shutil.copy(folder / "corpus.txt", base)
    (base / "corpus.txt").chmod(0o644)
    folder.chmod(0o700)

    def nobody(*arguments):
        """The command as a user who may read the program, but not this folder."""
        code = "import codecs, os, sys; codecs.lookup('utf-32-le'); from charrnn.__main__ import main; os.setgid(65534); os.setuid(65534); sys.exit(main(sys.argv[1:]))"
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, env=environment, timeout=60)

    failed_in_one_line(nobody("generate", folder), "Permission denied")
    failed_in_one_line(nobody("runs", folder), "Permission denied")
    failed_in_one_line(nobody("train", base / "corpus.txt", "--out", base / "x"), "Permission denied")


# Usage: status 2


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("train",),
        ("train", "x.txt"),
        ("train", "--out", "r"),
        ("train", "x.txt", "--out", "r", "--resume", "r"),
        ("train", "x.txt", "--resume", "r"),
        ("train", "--resume", "r", "--steps", "4"),
        ("train", "x.txt", "--out", "r", "--speed", "4"),
        ("generate",),
        ("evaluate", "r"),
        ("evaluate", "r", "x.txt", "--window", "0"),
    ],
)
def test_wrong_usage(arguments, command, tmp_path):
    result = command(*arguments, cwd=tmp_path)
    assert result.returncode == 2 and result.stdout == b""
    assert "usage: charrnn" in result.stderr.decode() and "Traceback" not in result.stderr.decode()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name, groups", [("train", GROUPS), ("generate", (SamplingSettings,))])
def test_every_setting_has_a_flag(name, groups, capsys):
    with pytest.raises(SystemExit) as done:
        parser().parse_args([name, "--help"])
    assert done.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for group in groups:
        for f in fields(group):
            flag = "--" + f.name.replace("_", "-")
            assert flag + " " in text or flag + "," in text, flag
            assert f.metadata["help"].split(".")[0][:25] in text
