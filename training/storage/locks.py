"""A lock on a file that ends with the process that holds it, however that ends; on NFS later, if its host vanished."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def lock(file: Path) -> int | None:
    """Lock `file`, made if it is not there, without waiting -> a descriptor that holds it until it is closed.

    None where another process (or another descriptor of this one) holds it. The lock follows the file when it is
    renamed, and programs that this process starts do not inherit it. Storage that knows no locks gives none: there
    everybody gets one.

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
