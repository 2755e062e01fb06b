"""Two network namespaces with a cable between them: TCP as two machines of one rack speak it. Linux, root, iproute2.

The cable is a veth pair: TCP/IP whole, without a card or a switch. Both namespaces vanish with their processes.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

SERVER, CLIENT = "10.84.0.1", "10.84.0.2"
# A process in a namespace of its own, in which nothing is but its loopback.
ALONE = ("unshare", "--net")
# The kernel's own choice may pace what it sends, for networks that are shared. This one any namespace may choose.
CONGESTION = "net.ipv4.tcp_congestion_control=reno"
MOST_S = 5.0


def lay() -> None:
    """The server's end, with its address: for a process that runs ``ALONE``, before its Redis starts."""
    _run("ip link set lo up", f"sysctl -qw {CONGESTION}")
    _run("ip link add server type veth peer name client", f"ip addr add {SERVER}/24 dev server")
    _run("ip link set server up")


def plug(pid: int) -> None:
    """The client's end goes to process *pid*, which runs ``ALONE`` too, or is about to."""
    until_s = time.monotonic() + MOST_S
    while Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
        if time.monotonic() > until_s:
            raise TimeoutError(f"process {pid} has no network namespace of its own")
        time.sleep(0.01)
    inside = f"nsenter --target {pid} --net"
    _run(f"ip link set client netns {pid}", f"{inside} sysctl -qw {CONGESTION}", f"{inside} ip link set lo up")
    _run(f"{inside} ip addr add {CLIENT}/24 dev client", f"{inside} ip link set client up")


def _run(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True)
