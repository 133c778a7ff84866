"""Writing a file whole or not at all."""

import os
import stat

import pytest

from charrnn import files
from charrnn.errors import RunError


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "a.json"
    for data in (b"first", b"", b"third" * 100_000):
        files.replace(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["a.json"]


def test_others_may_read_it_as_far_as_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        files.replace(tmp_path / "model", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o644


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    with pytest.raises(RunError, match="Saving a in .*gone: No such file.* check that the folder exists"):
        files.replace(tmp_path / "gone" / "a", b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(RunError):
        files.replace(tmp_path / "folder", b"x")
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(tmp_path / "folder") == ["inside"]


def test_leftovers_of_a_killed_process_go(tmp_path):
    for name in (".model.safetensors.1a2b", "model.safetensors", ".other.1a2b", ".last.safetensors.9"):
        (tmp_path / name).touch()
    files.remove_leftovers(tmp_path, ("model.safetensors", "last.safetensors"))
    assert sorted(os.listdir(tmp_path)) == [".other.1a2b", "model.safetensors"]
