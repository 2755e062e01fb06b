"""A private folder for sockets and logs, removed at the end, if need be by the next program."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

from flowq.errors import ConfigError

PREFIX = "flowq-"
LOCK = "owner.lock"
# sun_path holds 108 bytes, including the final NUL. mkdtemp adds 8 characters; the longest name in use is redis.sock.
SOCKET_PATH_BYTES = 107
OWN_BYTES = len(f"/{PREFIX}12345678/redis.sock")


class PrivateFolder:
    """A new 0700 folder whose path is short enough for a unix socket in it.

    Its creator holds a lock in it. A killed program cannot remove its folder, but its lock is released: the next
    `PrivateFolder` of the same user removes the folders whose lock is free.
    """

    def __init__(self) -> None:
        self._owner_pid = os.getpid()
        parent = _parent()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock_fd = _lock(self.path)
        _remove_abandoned(parent)

    def remove(self) -> None:
        """Remove it with its contents. A second call, or one in a forked child, does nothing."""
        if os.getpid() != self._owner_pid or self._lock_fd < 0:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock_fd)
        self._lock_fd = -1


def _parent() -> Path:
    for candidate in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        if len(os.fsencode(candidate)) + OWN_BYTES <= SOCKET_PATH_BYTES and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    raise ConfigError(
        f"no temporary folder is writable and short enough for a unix socket ({tempfile.gettempdir()} is not): "
        "set TMPDIR to a folder such as /tmp"
    )


def _lock(folder: Path) -> int:
    """Lock the folder before the lock gets its name: any process that sees an unlocked one may remove the folder."""
    unnamed = folder / f"{LOCK}.new"
    fd = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    unnamed.rename(folder / LOCK)
    return fd


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        # Errors mean: another user's folder, one that is being created or removed, or one in use. Leave it alone.
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            fd = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(fd)
