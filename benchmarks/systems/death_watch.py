"""Who kills processes once this program has ended, however it did. For those that the kernel does not end with it."""

from __future__ import annotations

import os
import subprocess

# No child of this program, because those may be stopped; it waits for its end of a pipe to close.
COMMAND = '{ (read -r done <&3 || kill -s KILL -- "$@" 2>/dev/null) & } 3<&0'


class DeathWatch:
    """Watches over processes, from when it is made until `end`."""

    def __init__(self, *targets: int) -> None:
        """*targets*: pids; negative ones are whole process groups."""
        theirs, self._ours = os.pipe()
        nowhere = subprocess.DEVNULL
        command = ("/bin/sh", "-c", COMMAND, "sh", *map(str, targets))
        subprocess.run(command, stdin=theirs, stdout=nowhere, stderr=nowhere, start_new_session=True, check=True)
        os.close(theirs)

    def end(self) -> None:
        """They are left alone from now on."""
        os.write(self._ours, b"done\n")
        os.close(self._ours)
