"""Writing a file whole or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from .errors import RunError


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file at `path`: a crash or a full disk leaves the old file as it was.

    Raises RunError when it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:  # not tempfile, whose files only their owner may read
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise unwritable(path, error) from None


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what a process that was killed inside `replace` left of these files."""
    for name in names:
        for path in folder.glob(f".{name}.*"):
            with contextlib.suppress(OSError):
                path.unlink()


def unwritable(path: Path, error: OSError) -> RunError:
    """The error to show when `path` cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return RunError(
        f"Saving {path.name} in {path.parent}",
        "the disk is full" if full else (error.strerror or str(error)),
        "What was saved before is intact; "
        + ("free some space" if full else "check that the folder exists and can be written")
        + " and try again",
    )
