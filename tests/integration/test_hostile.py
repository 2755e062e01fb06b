"""Hostile messages at real workers: each is refused with one logged line, nothing is imported, and work goes on."""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ormsgpack
import psutil
import pytest

import flowq
from flowq.codec import dumps, tags
from flowq.codec.envelope import seal
from flowq.engine.ledger import SCHEMA_VERSION
from flowq.engine.reading.results import read_dones
from tests import nodes
from tests.messages import NO_CALLBACKS, Log, Wire, altered
from tests.waiting import until

MIB = 2**20
REFUSED = "a message was refused"


@pytest.fixture(scope="module")
def tripwire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It exists once tests.tripwire was imported, or the payload of a message ran."""
    return tmp_path_factory.mktemp("tripwire") / "tripped"


@pytest.fixture(scope="module")
def target(tripwire: Path) -> Iterator[flowq.LocalCluster]:
    """One worker with two slots, to be shot at."""
    env = {"FLOWQ_TEST_TRIPWIRE": str(tripwire)}
    with flowq.LocalCluster(workers=1, slots=2, imports=["tests.nodes"], lease_s=3, env=env, grace_s=0) as cluster:
        yield cluster


@pytest.fixture
def wire(target: flowq.LocalCluster) -> Iterator[Wire]:
    with Wire(target) as wire:
        yield wire


@pytest.fixture
def unharmed(target: flowq.LocalCluster, wire: Wire, tripwire: Path) -> Iterator[Log]:
    """The worker's log; afterwards the same processes are there, nothing is held, nothing ran, and a batch does."""
    worker = psutil.Process(target.workers[0].pid)
    before = processes(worker)
    yield Log(target.workers[0].log_path)
    until(wire.is_idle, 10, "the queue is empty")
    assert processes(worker) == before
    assert not tripwire.exists()
    assert nodes.Square().submit(range(20)).result(timeout=10) == [i * i for i in range(20)]


def processes(worker: psutil.Process) -> list[int]:
    """The worker's main process and its children."""
    return [worker.pid, *sorted(child.pid for child in worker.children())]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = (value,)
    return value


def content(wire: Wire, content_type: Any, body: bytes) -> dict[str, Any]:
    message = altered(wire.chunk(), ["content-type"], content_type)
    return altered(message, ["body"], b64(body))


def header(name: str, value: Any) -> Callable[[Wire], dict[str, Any]]:
    return lambda wire: altered(wire.chunk(), ["headers", name], value)


def arguments(*args: Any) -> Callable[[Wire], dict[str, Any]]:
    return lambda wire: wire.task("flowq.chunk", args)


def embedded(name: str, value: Any) -> Callable[[Wire], dict[str, Any]]:
    return lambda wire: wire.task("flowq.chunk", ("spare-0", "0:0-1"), embed={**NO_CALLBACKS, name: value})


def packed(body: bytes) -> Callable[[Wire], dict[str, Any]]:
    return lambda wire: wire.task("flowq.chunk", (), packed=body)


def fold(*args: Any, chord: Any = None) -> Callable[[Wire], dict[str, Any]]:
    return lambda wire: wire.task("flowq.fold", args, embed={**NO_CALLBACKS, "chord": chord})


def finish(*args: Any) -> Callable[[Wire], dict[str, Any]]:
    return lambda wire: wire.task("flowq.finish", args)


def without(*path: str) -> Callable[[Wire], dict[str, Any]]:
    def message(wire: Wire) -> dict[str, Any]:
        place: Any = (changed := wire.chunk())
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        return changed

    return message


def first_protocol(wire: Wire) -> dict[str, Any]:
    body = json.dumps({"task": "flowq.chunk", "id": "1", "args": ["spare-0", "0:0-1"], "kwargs": {}}).encode()
    return altered(content(wire, "application/json", body), ["headers"], {})


def pickled(wire: Wire) -> dict[str, Any]:
    return content(wire, "application/x-python-serialize", b"cimportlib\nimport_module\n(S'tests.tripwire'\ntR.")


def yaml(wire: Wire) -> dict[str, Any]:
    body = b"!!python/object/apply:importlib.import_module ['tests.tripwire']"
    return content(wire, "application/x-yaml", body)


def class_named(name: bytes) -> bytes:
    """A body in which a class stands for the batch's id."""
    return seal(ormsgpack.packb([[ormsgpack.Ext(tags.CLASS, name), "0:0-1"], {}, NO_CALLBACKS]))


SIGNATURE: dict[str, Any] = {
    "task": "tests.tripwire.run",
    "args": [],
    "kwargs": {},
    "options": {},
    "subtask_type": None,
}
GOOD = dumps((("spare-0", "0:0-1"), {}, NO_CALLBACKS))

ENVELOPES: dict[str, Callable[[Wire], dict[str, Any] | bytes]] = {
    "no JSON": lambda wire: b"\x00\xff garbage",
    "nothing": lambda wire: b"",
    "null": lambda wire: b"null",
    "a number": lambda wire: b"1e999",
    "a list": lambda wire: b"[1, 2]",
    "nested without end": lambda wire: b"[" * 100_000,
    "a type that JSON does not have": lambda wire: b'{"__type__": "os.system", "__value__": "ls"}',
    "half of it": lambda wire: json.dumps(wire.chunk()).encode()[:200],
    "three megabytes": lambda wire: altered(wire.chunk(), ["body"], "A" * 3_000_000),
    "no properties": without("properties"),
    "no headers": without("headers"),
    "headers are a list": lambda wire: altered(wire.chunk(), ["headers"], [1]),
    "no delivery tag": without("properties", "delivery_tag"),
    "the delivery tag is a list": lambda wire: altered(wire.chunk(), ["properties", "delivery_tag"], [1]),
    "no delivery info": without("properties", "delivery_info"),
    "no exchange": without("properties", "delivery_info", "exchange"),
    "an encoding that nobody knows": lambda wire: altered(wire.chunk(), ["properties", "body_encoding"], "rot13"),
    "no body": without("body"),
    "the body is a number": lambda wire: altered(wire.chunk(), ["body"], 5),
    "the body is no base64": lambda wire: altered(wire.chunk(), ["body"], "é!"),
    "the priority is infinite": lambda wire: altered(wire.chunk(), ["properties", "priority"], float("inf")),
}

HEADERS: dict[str, Callable[[Wire], dict[str, Any] | bytes]] = {
    "no task": without("headers", "task"),
    "the task is a list": header("task", [1]),
    "no id": without("headers", "id"),
    "the id is a dict": header("id", {}),
    "the id is empty": header("id", ""),
    "a task of another name": header("task", "os.system"),
    "a task of Celery's": header("task", "celery.map"),
    "the time limit is a number": header("timelimit", 5),
    "the time limit is a text": header("timelimit", "ab"),
    "the time limit is no number": header("timelimit", [float("nan"), None]),
    "an ETA": header("eta", "2030-01-01T00:00:00"),
    "an ETA that is none": header("eta", 7),
    "it has expired": header("expires", "2000-01-01T00:00:00"),
    "the retries are a text": header("retries", "x"),
    "the group is a dict": header("group", {}),
    "stamps that cannot be looked up": header("stamped_headers", [[1]]),
    "a header that hides the arguments": header("called_directly", True),
    "a header that hides a method": header("update", 1),
    "a name of a megabyte": header("shadow", "x" * 900_000),
    "Celery's first protocol": first_protocol,
}

BODIES: dict[str, Callable[[Wire], dict[str, Any] | bytes]] = {
    "JSON": lambda wire: content(wire, "application/json", b'[["spare-0", "0:0-1"], {}, {}]'),
    "pickle": pickled,
    "YAML": yaml,
    "plain text": lambda wire: content(wire, "text/plain", b"spare-0 0:0-1"),
    "no content type": lambda wire: content(wire, None, GOOD),
    "a content type that nobody knows": lambda wire: content(wire, "application/x-unheard", GOOD),
    "a truncated body": packed(GOOD[:-9]),
    "another magic": packed(b"QF" + GOOD[2:]),
    "a codec version of next year": packed(b"FQ\x02" + GOOD[3:]),
    "flags that nobody knows": packed(b"FQ\x01\x80" + GOOD[4:]),
    "a bomb of flowq's own compression": packed(dumps(([[]] * 20_000_000, {}, NO_CALLBACKS))),
    "a body nested deep": arguments("spare-0", deep(60)),
    "a class that is not registered": packed(class_named(b"tests.tripwire:Tripped")),
    "a class of the system's": packed(class_named(b"os:system")),
    "no tuple of three": packed(dumps([1, 2])),
    "a body that is a number": packed(dumps(5)),
    "keyword arguments": lambda wire: wire.task("flowq.chunk", ("spare-0", "0:0-1"), {"batch_id": "x"}),
    "keyword arguments that are a list": packed(dumps((("spare-0", "0:0-1"), [1], NO_CALLBACKS))),
    "embed is a list": packed(dumps((("spare-0", "0:0-1"), {}, [1]))),
    "embed holds more": packed(dumps((("spare-0", "0:0-1"), {}, {**NO_CALLBACKS, "headers": {}}))),
    "a callback": embedded("callbacks", [SIGNATURE]),
    "an errback": embedded("errbacks", [SIGNATURE]),
    "a chain": embedded("chain", [SIGNATURE]),
    "a chord of another task": fold("spare-0", 0, 0, 1, chord=SIGNATURE),
    "a chord that is a number": fold("spare-0", 0, 0, 1, chord=5),
}

ARGUMENTS: dict[str, Callable[[Wire], dict[str, Any] | bytes]] = {
    "none": arguments(),
    "too few": arguments("spare-0"),
    "too many": arguments("spare-0", "0:0-1", 1),
    "a text": packed(dumps(("spare-0", {}, NO_CALLBACKS))),
    "numbers": arguments(1, 2),
    "a batch id that leads to another key": arguments("spare-0}:meta", "0:0-1"),
    "a batch id of a megabyte": packed(dumps((("a" * 50_000, "0:0-1"), {}, NO_CALLBACKS))),
    "a batch id with a line break": arguments("spare\n0", "0:0-1"),
    "an empty chunk id": arguments("spare-0", ""),
    "a chunk id of the aggregation": arguments("spare-0", "agg"),
    "a chunk id of the feed": arguments("spare-0", "feed"),
    "a chunk id without an end": arguments("spare-0", "0:0-"),
    "a chunk id of nothing": arguments("spare-0", "0:5-5"),
    "a chunk id that runs backwards": arguments("spare-0", "0:5-4"),
    "a chunk id of negative numbers": arguments("spare-0", "0:-5-4"),
    "a chunk id past what Lua counts": arguments("spare-0", "0:0-99999999999999999999"),
    "a chunk id in other digits": arguments("spare-0", "٠:٠-١"),
    "a chunk id with a pattern": arguments("spare-0", "%d+:0-1"),
    "a chunk id with a null byte": arguments("spare-0", "0:0-1\0"),
    "a fold of a text": fold("spare-0", "0", 0, 1),
    "a fold backwards": fold("spare-0", 0, 5, 1),
    "a fold of too few": fold("spare-0", 0),
    "a finish of no segments": finish("spare-0", 0, []),
    "a finish of a number": finish("spare-0", 0, 5),
    "a finish of a million segments": finish("spare-0", 0, [(0, 1)] * 5_000),
    "a finish of segments that are none": finish("spare-0", 0, [(0, 1), 7]),
}

WRONG = {
    f"{kind}: {name}": make
    for kind, cases in {"envelope": ENVELOPES, "header": HEADERS, "body": BODIES, "arguments": ARGUMENTS}.items()
    for name, make in cases.items()
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_message_is_refused_with_one_line(name: str, wire: Wire, unharmed: Log) -> None:
    wire.push(WRONG[name](wire))
    unharmed.await_line(REFUSED)
    until(wire.is_idle, 10, "it is off the queue")
    lines = unharmed.lines()
    assert len(lines) == 1, lines
    assert "ERROR" in lines[0]
    assert len(lines[0]) < 600


BOMB = b"\0" * (64 * MIB)


@pytest.mark.parametrize(
    ("name", "compress"),
    [("zlib", zlib.compress), ("gzip", zlib.compress), ("application/x-gzip", zlib.compress),
     ("bzip2", bz2.compress), ("lzma", lzma.compress), ("zstd", zlib.compress), ("unheard", zlib.compress)],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_what_kombu_compressed_is_not_unpacked(
    name: str, compress: Callable[[bytes], bytes], target: flowq.LocalCluster, wire: Wire, unharmed: Log
) -> None:
    before = peak_bytes(target.workers[0].pid)
    message = altered(wire.chunk(), ["headers", "compression"], name)
    wire.push(altered(message, ["body"], b64(compress(BOMB))))
    line = unharmed.await_line(REFUSED)
    assert "compressed by kombu" in line
    assert peak_bytes(target.workers[0].pid) - before < 16 * MIB


def peak_bytes(pid: int) -> int:
    """The most memory that the process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


@pytest.fixture
def stranded(wire: Wire) -> flowq.BatchHandle[int]:
    """A batch of four items on a queue that nobody consumes: its chunks are open, and run only when told to."""
    return nodes.Square(queue="spare").submit(range(4))


def records(wire: Wire, batch_id: str) -> dict[str, list[str]]:
    """The open chunks of a batch: id → from, holder, claims, crashes, losses, …"""
    found = wire.redis.hgetall(wire.keys.of(batch_id, "open"))
    return {chunk_id.decode(): record.decode().split() for chunk_id, record in found.items()}


def spec(*named: dict[str, Any], **changed: Any) -> bytes:
    whole: dict[str, Any] = {"args": (), "kwargs": {}, "params": {}, "edges": {}, "start": None}
    return dumps({"format": 1, "nodes": [{**whole, **one} for one in named], **changed})


def headed(spec: Any = b"", *rest: Any) -> bytes:
    return dumps((spec, *(rest or (False, None, "", "", ""))))


SQUARE = {"node": "tests.nodes:Square"}

HEADERS_OF_BATCHES: dict[str, dict[str, bytes]] = {
    "a schema of next year": {"v": str(SCHEMA_VERSION + 1).encode()},
    "a schema that is no number": {"v": b"one"},
    "a label that is no text": {"label": b"\xff"},
    "a priority that is none": {"priority": b"high"},
    "garbage": {"header": b"\x00garbage"},
    "a codec version of next year": {"header": b"FQ\x02" + headed(spec(SQUARE))[3:]},
    "a part missing": {"header": dumps((spec(SQUARE), False))},
    "no tuple": {"header": dumps(5)},
    "parts of other types": {"header": headed(5, "no", [1], 2, 3, 4)},
    "a manifest of numbers": {"header": headed(spec(SQUARE), False, {"a": 1}, "", "", "")},
    "a spec that is garbage": {"header": headed(b"\x00garbage")},
    "a spec that is a number": {"header": headed(dumps(5))},
    "a spec of another format": {"header": headed(spec(SQUARE, format=2))},
    "a spec without nodes": {"header": headed(spec())},
    "a spec that names os.system": {"header": headed(spec({"node": "os:system", "args": ("id",)}))},
    "a spec that names a builtin": {"header": headed(spec({"node": "builtins:eval", "args": ("1",)}))},
    "a spec that names a module": {"header": headed(spec({"node": "tests.tripwire:Tripped"}))},
    "a spec that names nothing": {"header": headed(spec({"node": ""}))},
    "a spec of a class that is no node": {"header": headed(spec({"node": "tests.nodes:Point", "args": (1, 2)}))},
    "a spec of an exception": {"header": headed(spec({"node": "tests.nodes:Refused"}))},
    "a spec of a node without items": {"header": headed(spec({"node": "tests.nodes:Count"}))},
    "a spec of a flow that starts nowhere": {"header": headed(spec({**SQUARE, "start": 7}))},
    "a spec of edges out of the graph": {"header": headed(spec({**SQUARE, "edges": {"default": 9}}))},
    "arguments the class does not take": {"header": headed(spec({**SQUARE, "args": (1, 2, 3, 4, 5)}))},
    "keywords the class does not take": {"header": headed(spec({**SQUARE, "kwargs": {"shell": True}}))},
    "a policy that is none": {"header": headed(spec({**SQUARE, "kwargs": {"chunk_size": "all"}}))},
    "a class among the arguments": {
        "header": headed(seal(ormsgpack.packb({"nodes": [ormsgpack.Ext(tags.CLASS, b"tests.tripwire:Tripped")]})))
    },
    "a schema of the store that is no model": {
        "header": headed(spec({"node": "flowq.batch.batchflow:BatchFlow"}), True, {}, "s", "tests.nodes:Point", "")
    },
}


@pytest.mark.parametrize("name", HEADERS_OF_BATCHES)
def test_a_batch_whose_header_was_altered_is_left_alone(
    name: str, wire: Wire, stranded: flowq.BatchHandle[int], unharmed: Log
) -> None:
    wire.redis.hset(wire.keys.meta(stranded.id), mapping=HEADERS_OF_BATCHES[name])
    chunk_id = next(iter(records(wire, stranded.id)))
    for times in range(1, 6):
        wire.push(wire.chunk(stranded.id, chunk_id))
        until(lambda: len(unharmed.lines("left to another worker")) == times, 10, f"refusal {times}")  # noqa: B023
    assert all(stranded.id not in line or "ERROR" in line for line in unharmed.lines())
    until(lambda: records(wire, stranded.id)[chunk_id][1] == "-", 5, "the chunk is free")
    _, _, claims, crashes, losses, *_ = records(wire, stranded.id)[chunk_id]
    # Each of the two processes may have claimed it once, to find out.
    assert int(claims) <= 2
    assert (crashes, losses) == ("0", "0")
    state = stranded.state()
    assert (state.state, state.done) == ("running", 0)
    stranded.cancel()


def pages_altered(wire: Wire, batch_id: str, page: bytes | None) -> None:
    if page is None:
        wire.redis.delete(wire.keys.of(batch_id, "pages"))
    else:
        wire.redis.hset(wire.keys.of(batch_id, "pages"), "0", page)


PAGES: dict[str, bytes | None] = {
    "gone": None,
    "empty": b"",
    "garbage": b"\x00garbage",
    "truncated": dumps([0, 1, 2, 3])[:-1],
    "of next year's codec": b"FQ\x02" + dumps([0, 1, 2, 3])[3:],
    "no list": dumps({"0": 1}),
    "too short": dumps([]),
    "of a class that is not registered": seal(ormsgpack.packb([ormsgpack.Ext(tags.CLASS, b"tests.tripwire:T")] * 4)),
}


@pytest.mark.parametrize("node", [nodes.Square, nodes.AsyncSquare], ids=["one by one", "async"])
@pytest.mark.parametrize("name", PAGES)
def test_a_batch_whose_items_were_altered_is_left_alone(
    name: str, node: Any, target: flowq.LocalCluster, wire: Wire, unharmed: Log
) -> None:
    stranded = node(queue="spare").submit(range(4))
    pages_altered(wire, stranded.id, PAGES[name])
    chunk_id = next(iter(records(wire, stranded.id)))
    for times in range(1, 4):
        wire.push(wire.chunk(stranded.id, chunk_id))
        until(lambda: len(unharmed.lines("left to another worker")) >= times, 10, f"refusal {times}")  # noqa: B023
    until(lambda: not wire.redis.exists(wire.queue), 5, "all are taken")
    until(lambda: {record[1] for record in records(wire, stranded.id).values()} == {"-"}, 5, "all chunks are free")
    assert {tuple(record[3:5]) for record in records(wire, stranded.id).values()} == {("0", "0")}
    state = stranded.state()
    assert (state.state, state.done) == ("running", 0)
    stranded.cancel()


def test_a_message_for_a_batch_that_is_not_there_is_refused(wire: Wire, unharmed: Log) -> None:
    wire.push(wire.chunk("square-0123456789"), wire.task("flowq.fold", ("square-0123456789", 0, 0, 1)))
    wire.push(wire.task("flowq.finish", ("square-0123456789", 0, [(0, 1)])))
    until(lambda: len(unharmed.lines("there is no such batch")) == 3, 10, "three refusals")


def test_a_chunk_of_another_batch_is_nobodys_business(
    wire: Wire, stranded: flowq.BatchHandle[int], unharmed: Log
) -> None:
    open_ids = set(records(wire, stranded.id))
    wire.push(*(wire.chunk(stranded.id, chunk_id) for chunk_id in ("0:100-200", "7:0-1", "0:0-2~3")))
    until(wire.is_idle, 10, "all are taken")
    assert set(records(wire, stranded.id)) == open_ids
    assert {record[1] for record in records(wire, stranded.id).values()} == {"-"}
    assert stranded.state().state == "running"
    stranded.cancel()


@pytest.mark.parametrize("gen", [0, 1])
def test_a_running_batch_cannot_be_folded_or_finished(
    gen: int, wire: Wire, stranded: flowq.BatchHandle[int], unharmed: Log
) -> None:
    wire.push(wire.task("flowq.fold", (stranded.id, gen, 0, 4)))
    wire.push(wire.task("flowq.finish", (stranded.id, gen, [(0, 4)])))
    until(lambda: len(unharmed.lines("an aggregation of", "was refused", "running")) == 2, 10, "two refusals")
    state = stranded.state()
    assert (state.state, state.confirmed, state.done) == ("running", -1, 0)
    assert not wire.redis.exists(wire.keys.fold(stranded.id))
    stranded.cancel()


SEGMENTS = [[(0, 3)], [(1, 4)], [(0, 2), (3, 4)], [(0, 9)], [(2, 4), (0, 2)], [(0, 4), (0, 4)]]


@pytest.mark.parametrize("segments", SEGMENTS, ids=str)
def test_a_batch_is_finished_with_all_its_segments_or_not_at_all(
    segments: list[tuple[int, int]], wire: Wire, stranded: flowq.BatchHandle[int], unharmed: Log
) -> None:
    wire.redis.hset(wire.keys.meta(stranded.id), "plain", 0)  # as if there were something to do after its close
    stranded.cancel()
    wire.push(wire.task("flowq.finish", (stranded.id, 0, segments)))
    unharmed.await_line("an aggregation of", "was refused", "segments")
    until(wire.is_idle, 10, "it is off the queue")
    assert stranded.state().confirmed == -1
    wire.push(wire.task("flowq.finish", (stranded.id, 0, [(0, 1), (1, 4)])))
    until(lambda: stranded.state().confirmed == 0, 10, "it is confirmed")


def test_a_blob_of_the_store_that_was_altered_fails_the_items_that_read_it_and_says_so(
    wire: Wire, unharmed: Log
) -> None:
    flow = nodes.count_all(queue="spare", on_error="collect", chunk_size=3)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(flow.run, {"base": 10, "count": 3, "log": []})
        (batch_id,) = until(lambda: batches_of(wire, "countall"), 10, "it is there")
        for blob in wire.redis.scan_iter(f"{wire.keys.prefix}:*:blob:*"):
            wire.redis.set(blob, dumps(11))
        until(lambda: (wire.forward(), running.done())[1], 20, "it has ended")
        running.result()
    (done,) = read_dones(wire.connections, batch_id)
    assert [(one.status, type(one.error)) for one in done.outcomes()] == [("failed", flowq.DecodeError)] * 3
    assert len(unharmed.lines("ERROR", "a blob of a snapshot was refused")) == 3


def batches_of(wire: Wire, label: str) -> list[str]:
    return [name.decode() for name in wire.redis.zrange(wire.keys.batches, 0, -1) if name.startswith(label.encode())]


def test_what_is_altered_in_one_batch_costs_the_others_nothing(
    tmp_path: Path, wire: Wire, stranded: flowq.BatchHandle[int], unharmed: Log
) -> None:
    redis, keys = wire.redis, wire.keys
    redis.hset(keys.of(stranded.id, "open"), mapping={"garbage": "1 2 3", "0:0-9": "", "0:1-2~9": "x - x 0 0 0 0 0"})
    redis.zadd(keys.of(stranded.id, "wake"), {"garbage": 0, "0:0-9": 0, "0:1-2~9": 0, "nothing": 0})
    redis.set(keys.meta("evil-1"), "a text where a hash should be")
    redis.zadd(keys.batches, {"evil-1": 1, b"\xff": 2, "a}:b": 3})
    redis.zadd(keys.workers, {"evil": time.time() + 30})
    redis.set(keys.worker("evil"), b"\x00garbage", px=20_000)
    unharmed.await_line("cannot be cared for", "WRONGTYPE")
    # A batch whose messages are all lost needs the caretaker.
    handle = nodes.Logged(str(tmp_path / "oracle"), seconds=0.2).submit(range(12))
    until(lambda: handle.progress().done, 5, "it has begun")
    redis.delete(wire.queue)
    assert handle.result(timeout=20) == [i * 3 for i in range(12)]
    assert len(unharmed.lines("cannot be cared for", "evil-1", "WRONGTYPE")) <= 1
    assert stranded.state().state == "running"
    redis.delete(keys.meta("evil-1"), keys.of(stranded.id, "open"), keys.of(stranded.id, "wake"))
    redis.zrem(keys.batches, "evil-1", stranded.id)
    redis.zrem(keys.workers, "evil")
