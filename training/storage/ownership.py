"""Check of file owners before unpickling, which Ray Tune does to resume a sweep."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def require_own(*paths: Path) -> None:
    """Check that all files at `paths`, recursively, belong to this user or root and are not world-writable.

    Raises:
        ValueError: a file does not.
    """
    for path in paths:
        for found in (path, *path.rglob("*")) if path.exists() else ():
            status = found.stat()
            if status.st_uid not in (os.geteuid(), 0) or status.st_mode & stat.S_IWOTH:
                raise ValueError(
                    f"{found} can be written by other users, and to go on would execute what is in it: "
                    f"make sure that it is yours, then chown it to yourself and chmod o-w it"
                )
