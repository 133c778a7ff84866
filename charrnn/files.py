"""Writing a file whole or not at all."""

import errno
import os
import tempfile
from pathlib import Path

from .errors import RunError


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file at `path`: a crash or a full disk leaves the old file as it was.

    Raises RunError when it cannot be written.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise unwritable(path, error) from None


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
