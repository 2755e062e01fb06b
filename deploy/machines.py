"""Several machines on this one: a network namespace each, with its own host name and address, one Redis, one producer.

    sudo python deploy/machines.py          Linux, root, iproute2; some 30 s

A batch spreads over two machines, a third joins, one has its cable pulled; `flowq status` and Flower are asked all
along. Ends with an error unless every item has exactly one outcome. docs/howto/machines.md shows what it prints.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter
from pathlib import Path

from flowq.local import find_redis_server

ROOT = Path(__file__).resolve().parents[1]
NET = "10.83.0"
HUB = f"{NET}.1"
PASSWORD = "simulated"
URL = f"redis://flowq:{PASSWORD}@{HUB}:6379/0"
FLOWER = "http://127.0.0.1:5555"
ITEMS = 700

NODES = """
import socket, time
import flowq

class Resize(flowq.ParallelBatchNode):
    def exec(self, item):
        time.sleep(0.15)
        return socket.gethostname()
"""

PRODUCER = f"""
import collections, json, sys
import flowq
from simulated import Resize

with flowq.LocalCluster(workers=0, broker_url="{URL}"):
    batch = Resize().submit(range({ITEMS}), label="holiday photos")
    print(batch.id, flush=True)
    result = batch.result(timeout=120)
    where = [one.worker.partition("@")[2] for one in result.items]
    print(json.dumps({{"ok": len(result.ok), "where": where, "seconds": batch.state().seconds}}), flush=True)
"""


class Machine:
    """A network namespace on the bridge, whose processes see a host name and an address of their own."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name, self.space, self.folder = name, f"flowq-{name}", folder
        self.processes: list[subprocess.Popen[str]] = []
        run(f"ip netns add {self.space}")
        self._in(f"ip link add cable type veth peer name {name} netns flowq-hub")
        run(f"ip -n flowq-hub link set {name} master bridge up")
        self._in(f"ip addr add {NET}.{number}/24 dev cable")
        self._in("ip link set cable up")
        self._in("ip link set lo up")

    def _in(self, command: str) -> None:
        run(f"ip netns exec {self.space} {command}")

    def start(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """Run a command on this machine; what it says on stderr goes into a file."""
        return self._keep(start(self.space, self.name, command, self.folder, env))

    def _keep(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        self.processes.append(process)
        return process

    def worker(self) -> None:
        """Start a worker with two slots and wait until it consumes."""
        ready = self.folder / f"{self.name}.ready"
        env = {"FLOWQ_READY_FILE": str(ready), "FLOWQ_IMPORTS": "simulated", "FLOWQ_LEASE_S": "3"}
        self.start("-m", "flowq", "worker", "--slots", "2", **env)
        deadline = time.monotonic() + 30
        while not ready.exists():
            if time.monotonic() > deadline:
                sys.exit((self.folder / f"{self.name}.log").read_text()[-2000:])
            time.sleep(0.05)

    def pull_cable(self) -> None:
        self._in("ip link set cable down")

    def end(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        run(f"ip netns del {self.space}")


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)


def start(space: str, host: str, command: tuple[str, ...], folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    inside = f'hostname {host} && exec {sys.executable} "$@"'
    with (folder / f"{host}.log").open("a") as log:
        return subprocess.Popen(
            ["ip", "netns", "exec", space, "unshare", "--uts", "sh", "-c", inside, "-", *command],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", "FLOWQ_BROKER_URL": URL, "COLUMNS": "110", **env},
            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        )  # fmt: skip


class Simulation:
    """The network, its Redis, and what is told of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.machines: dict[str, Machine] = {}
        run("ip netns add flowq-hub")
        run("ip -n flowq-hub link add bridge type bridge")
        run(f"ip -n flowq-hub addr add {HUB}/24 dev bridge")
        run("ip -n flowq-hub link set bridge up")
        users = folder / "users.acl"
        users.write_text((ROOT / "deploy" / "users.acl").read_text().replace(">change-me", f">{PASSWORD}"))
        self.redis = subprocess.Popen(
            ["ip", "netns", "exec", "flowq-hub", str(find_redis_server()), str(ROOT / "deploy" / "redis.conf"),
             "--aclfile", str(users), "--dir", str(folder)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.desk = self.machine("desk", 9)

    def machine(self, name: str, number: int) -> Machine:
        self.machines[name] = Machine(name, number, self.folder)
        return self.machines[name]

    def say(self, what: str) -> None:
        print(f"\n[{time.monotonic() - self.began:4.1f} s] {what}", flush=True)

    def show(self, *command: str) -> None:
        """A command of flowq's at the desk, with what it prints."""
        print("$ flowq", *command)
        print(self.desk.start("-m", "flowq", *command).communicate(timeout=30)[0].rstrip())

    def flower(self) -> None:
        """The workers as Flower lists them."""
        login = b64encode(f"flowq:{PASSWORD}".encode()).decode()
        program = (
            "import urllib.request as u; "
            f"asked = u.Request('{FLOWER}/api/workers?status=1', headers={{'Authorization': 'Basic {login}'}}); "
            "print(u.urlopen(asked, timeout=9).read().decode())"
        )
        said = json.loads(self.desk.start("-c", program).communicate(timeout=30)[0])
        print("Flower:", ", ".join(f"{name} {'online' if up else 'offline'}" for name, up in sorted(said.items())))

    def end(self) -> None:
        for machine in self.machines.values():
            machine.end()
        self.redis.kill()
        self.redis.wait()
        run("ip netns del flowq-hub")


def tell(simulation: Simulation) -> None:
    """The story."""
    first, second = simulation.machine("machine-1", 11), simulation.machine("machine-2", 12)
    first.worker()
    second.worker()
    desk = simulation.desk
    desk.start("-m", "flowq", "flower", FLOWQ_FLOWER_PASSWORD=PASSWORD)
    time.sleep(4)
    simulation.say(f"two machines with 2 slots each; a batch of {ITEMS} items of 0.15 s is submitted")
    producer = desk.start("-c", PRODUCER)
    assert producer.stdout is not None
    batch = producer.stdout.readline().strip()
    time.sleep(3)
    simulation.show("status")
    simulation.flower()
    simulation.say("a third machine joins")
    simulation.machine("machine-3", 13).worker()
    time.sleep(3)
    simulation.show("status")
    simulation.say("machine-1 has its cable pulled")
    first.pull_cable()
    time.sleep(7)
    simulation.show("status")
    report = json.loads(producer.stdout.readline())
    simulation.say(f"the batch has ended: {report['ok']} of {ITEMS} ok, in {report['seconds']:.1f} s")
    for name, n in sorted(Counter(report["where"]).items()):
        print(f"  {name}: {n} items")
    simulation.show("status", batch)
    simulation.flower()
    if report["ok"] != ITEMS or len(Counter(report["where"])) != 3:
        sys.exit("not every item has its outcome, or not every machine took part")


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("Network namespaces want root: sudo python deploy/machines.py")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "simulated.py").write_text(NODES)
        simulation = Simulation(folder)
        try:
            tell(simulation)
        finally:
            simulation.end()


if __name__ == "__main__":
    main()
