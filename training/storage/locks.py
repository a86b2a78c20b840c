"""A file lock that is released when its process ends; on NFS with a delay if the host has vanished."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def lock(file: Path) -> int | None:
    """Lock `file`, creating it if necessary, without waiting; return a descriptor that holds the lock until closed.

    Returns None if another process (or another descriptor) holds it. The lock survives a rename of the file and is not
    inherited by child programs. On storage without locks it always succeeds.

    Raises:
        OSError: the file cannot be written.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            os.close(handle)
            raise
    return handle
