"""Who could have written files that are about to be executed: what Ray Tune keeps of a sweep are pickles."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def require_own(*paths: Path) -> None:
    """Whatever lies at `paths`, folders with all in them, is this user's or root's, and not everybody's to write.

    Raises:
        ValueError: somebody else owns it, or everybody may write to it.
    """
    for path in paths:
        for found in (path, *path.rglob("*")) if path.exists() else ():
            status = found.stat()
            if status.st_uid not in (os.geteuid(), 0) or status.st_mode & stat.S_IWOTH:
                raise ValueError(
                    f"{found} can be written by other users, and to go on would execute what is in it: "
                    f"make sure that it is yours, then chown it to yourself and chmod o-w it"
                )
