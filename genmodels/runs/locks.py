"""Locks between processes: each is a file, and a lock ends with the process that holds it.

Looking at one never takes it (but on Windows). Where a file system has no locks, that is said:
nothing stands in for them, since a stand-in outlives a process that was killed.
"""

import errno
import os
import struct
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from genmodels.errors import LockError

if sys.platform != "win32":
    import fcntl

MISSING = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system without locks answers."""
WHOLE = "hhqqi4x"
"""Linux's struct flock: type, whence, start, length and process."""


class Lock(FileLock):
    """A lock on a path, by flock; Linux can also tell whether somebody holds it.

    All that uses it raises LockError where the file cannot be opened or there are no locks.
    """

    def __init__(self, path: Path):
        super().__init__(path, fallback_to_soft=False, on_acquired=_mark)

    def acquire(self, *arguments: Any, **options: Any) -> Any:
        """As filelock's. Raises Timeout and LockError."""
        try:
            return super().acquire(*arguments, **options)
        except Timeout:
            raise
        except OSError as error:
            raise _unusable(Path(self.lock_file), error) from error

    def is_held(self) -> bool:
        """Whether a process holds it. Raises LockError when that cannot be told."""
        path = Path(self.lock_file)
        if sys.platform == "win32":  # There, nothing but trying tells.
            try:
                with self.acquire(blocking=False):
                    return False
            except Timeout:
                return True
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # Whoever only looks makes none.
            return False
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            return _is_held(file)
        except OSError as error:
            raise _unusable(path, error) from error
        finally:
            os.close(file)


def _mark(file: int) -> None:
    """Marks a file that was locked just now: nobody can ask about flock's locks without taking
    one, but about these anybody can. As flock's it is inherited, and ends with its holders."""
    if sys.platform == "linux":
        _linux(file, fcntl.F_OFD_SETLK)


if sys.platform != "win32":

    def _is_held(file: int) -> bool:
        if sys.platform == "linux":
            found = _linux(file, fcntl.F_OFD_GETLK)
            if found is not None:
                return found != fcntl.F_UNLCK
        # Shared: two who look at once are not in each other's way.
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


if sys.platform == "linux":

    def _linux(file: int, command: int) -> int | None:
        """Sets a write lock, or asks who is in its way: the kind of lock that is answered. None
        where the kernel only imitates Linux's (gVisor)."""
        wanted = struct.pack(WHOLE, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        try:
            return struct.unpack(WHOLE, fcntl.fcntl(file, command, wanted))[0]
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise


def _unusable(path: Path, error: OSError) -> LockError:
    if error.errno in MISSING:
        return LockError(
            f"the file system of {path.parent} has no file locks ({error.strerror}), and trainings "
            "need them; use a folder on a local disk."
        )
    return LockError(
        f"{path} cannot be locked ({error.strerror}); make it a file that this user can write."
    )
