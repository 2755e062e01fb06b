"""Results as files of JSON lines: the same inline and on workers, and only what the batch's record names counts."""

from __future__ import annotations

import array
import datetime
import ipaddress
import json
import os
import resource
import signal
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest

import flowq
from flowq.batch.results.sink import open_sink, part_name
from flowq.engine.ending.sink_sweep import take_back
from tests import nodes, policed, stores
from tests.messages import Log
from tests.waiting import until

N = 3000


def lines_of(result: Any) -> list[Any]:
    """Every line of every part, in the order of the parts."""
    return [json.loads(line) for part in result.parts for line in Path(part.address).read_text().splitlines()]


@pytest.mark.parametrize("node", [nodes.Square, nodes.AsyncSquare])
def test_values_lie_in_parts_and_are_read_in_item_order(
    executor: str, tmp_path: Path, node: Callable[..., Any]
) -> None:
    result = node(sink=str(tmp_path)).map(i for i in range(N))
    assert isinstance(result, flowq.SinkResult)
    assert len(result) == N
    assert list(result) == [i * i for i in range(N)]
    assert sorted(lines_of(result)) == [i * i for i in range(N)]
    assert sum(part.n for part in result.parts) == N
    assert all(Path(part.address).is_relative_to(tmp_path) for part in result.parts)
    assert result.stats().ok == N
    assert result.items[7].output == 49


def test_they_are_read_as_they_come_too(executor: str, tmp_path: Path) -> None:
    handle = nodes.Square(sink=tmp_path).submit(range(N))
    assert list(handle.results(free=True)) == [i * i for i in range(N)]
    assert sorted(one.output for one in handle.as_completed()) == [i * i for i in range(N)]
    assert list(handle.result()) == [i * i for i in range(N)], "files are never freed"


@pytest.mark.parametrize("on_error", ["collect", "skip"])
@pytest.mark.parametrize("items", [range(3), [0, "none", 2]])
def test_who_changes_a_value_that_was_read_changes_no_other_reader_s(
    executor: str, tmp_path: Path, on_error: Any, items: Any
) -> None:
    result = nodes.Boxed(on_error=on_error, sink=str(tmp_path)).map(items)
    for value in result:
        if value is not None:
            value.append("changed")
    result.items[0].output.append("changed")
    assert next(iter(result)) == [0]
    assert result.items[0].output == [0]


@pytest.mark.parametrize("on_error", ["collect", "skip"])
def test_items_that_fail_have_no_line(executor: str, tmp_path: Path, on_error: Any) -> None:
    node = nodes.Picky(on_error=on_error)
    plain = node.map(range(200))
    result: Any = nodes.Picky(on_error=on_error, sink=str(tmp_path)).map(range(200))
    assert list(result) == plain
    assert len(result) == len(plain)
    assert [one.status for one in result.items] == [one.status for one in plain.items]
    assert {i: str(e) for i, e in result.errors.items()} == {i: str(e) for i, e in plain.errors.items()}
    assert len(lines_of(result)) == 200 - len(result.failed)


def test_a_value_that_json_has_no_form_for_fails_its_item_alone(executor: str, tmp_path: Path) -> None:
    result: Any = nodes.Unencodable(on_error="collect", sink=str(tmp_path)).map(range(30))
    assert list(result) == [None if i % 3 == 0 else i for i in range(30)]
    assert set(result.errors) == set(range(0, 30, 3))
    assert isinstance(result.errors[3], flowq.EncodeError)
    assert "item 3" in str(result.errors[3])
    assert "JSON" in str(result.errors[3])


def test_values_have_the_form_that_json_gives_them(executor: str, tmp_path: Path) -> None:
    day, one = datetime.date(2026, 11, 20), uuid.UUID(int=7)
    result: Any = nodes.Echo(sink=str(tmp_path)).map([None, 2**70, (1, "ü\n"), {"a": {1}}, day, one, nodes.Point(1, 2)])
    assert list(result) == [None, 2**70, [1, "ü\n"], {"a": [1]}, "2026-11-20", str(one), {"x": 1, "y": 2}]


FORMS: list[tuple[Any, Any]] = [
    (range(1, 7, 2), [1, 3, 5]),
    (range(5, 1), []),
    (array.array("d", [1.5, 2]), [1.5, 2.0]),
    (deque([1, 2], maxlen=5), [1, 2]),
    (Counter("aab"), {"a": 2, "b": 1}),
    (OrderedDict(b=1, a=range(2)), {"b": 1, "a": [0, 1]}),
    (defaultdict(list, {3: [deque([1])]}), {"3": [[1]]}),
    (1 + 2j, "1+2j"),
    (Fraction(1, 3), "1/3"),
    (ipaddress.ip_address("::1"), "::1"),
    (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    (zoneinfo.ZoneInfo("Europe/Berlin"), "Europe/Berlin"),
    (datetime.timezone(datetime.timedelta(hours=2)), "UTC+02:00"),
    ({datetime.UTC: 1}, {"UTC": 1}),
    (numpy.int64(3), 3),
    (numpy.float32(0.5), 0.5),
    (numpy.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
]


def test_whatever_travels_has_a_form(executor: str, tmp_path: Path) -> None:
    result: Any = nodes.Echo(sink=str(tmp_path)).map([value for value, _ in FORMS])
    assert list(result) == [form for _, form in FORMS]
    assert sorted(map(str, lines_of(result))) == sorted(str(form) for _, form in FORMS)


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else 1


@pytest.mark.parametrize("value", [10**5000, -(10**4300), {"a": [deep(230)]}], ids=["long", "negative", "deep"])
def test_what_was_written_is_read_however_long_or_deep_it_is(executor: str, tmp_path: Path, value: Any) -> None:
    result: Any = nodes.Echo(sink=str(tmp_path)).map([1, value, 2.5])
    assert list(result) == [1, value, 2.5]


@pytest.mark.parametrize("numbers", [range(2_000_000), range(10**30)], ids=["long", "longer than any list"])
def test_a_range_that_is_too_long_to_be_written_out_fails_its_item(
    inline: object, tmp_path: Path, numbers: range
) -> None:
    result: Any = nodes.Echo(on_error="collect", sink=str(tmp_path)).map([numbers, 1])
    assert list(result) == [None, 1]
    assert "item 0" in str(result.errors[0])
    assert "more than 1,000,000 numbers" in str(result.errors[0])


def test_what_failed_can_be_run_again(executor: str, tmp_path: Path) -> None:
    sink, switch = tmp_path / "sink", tmp_path / "switch"
    result: Any = nodes.Switched(str(switch), on_error="collect", sink=str(sink)).map(range(40))
    assert len(result.failed) == 4
    switch.touch()
    again = result.retry_failed()
    assert list(again) == list(range(40))
    assert sorted(lines_of(again)) == list(range(40))


def test_a_sink_that_cannot_be_written_is_each_item_s_error(executor: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    result: Any = nodes.Square(on_error="collect", sink=str(tmp_path / "file")).map(range(2))
    assert {type(error) for error in result.errors.values()} == {flowq.SinkFailed}


def test_a_part_that_found_no_room_leaves_none_taken(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # as a disk with so much left
    try:
        with pytest.raises(OSError, match="File too large"):
            open_sink(str(tmp_path), "batch").write("part.jsonl", b"x" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "batch").iterdir()) == []


def test_it_is_so_too_where_the_client_of_a_store_raises_errors_of_its_own(executor: str, tmp_path: Path) -> None:
    result: Any = nodes.Square(on_error="collect", sink=f"{stores.Away.protocol}://{tmp_path}").map(range(2))
    assert {type(error) for error in result.errors.values()} == {flowq.SinkFailed}
    assert "ClientError: Could not connect" in str(result.errors[0])


def test_an_empty_batch_has_no_parts(executor: str, tmp_path: Path) -> None:
    result: Any = nodes.Square(sink=str(tmp_path)).map([])
    assert (list(result), result.parts) == ([], [])


def test_a_sink_behind_a_url(executor: str, tmp_path: Path) -> None:
    url = f"memory://{uuid.uuid4().hex}" if executor == "inline" else f"file://{tmp_path}"
    result: Any = nodes.Square(sink=url).map(range(500))
    assert list(result) == [i * i for i in range(500)]
    assert all(part.address.startswith(url) for part in result.parts)


def test_a_relative_folder_is_the_producer_s(executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result: Any = nodes.Square(sink="out").map(range(10))
    assert Path(result.parts[0].address).is_relative_to(tmp_path / "out")


def test_parts_that_were_written_in_vain_are_removed_at_the_end(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    handle = nodes.Sleepy(sink=str(tmp_path)).submit([0.2] * 6)
    folder = tmp_path / handle.id
    folder.mkdir(exist_ok=True)
    birth = handle.header.birth
    orphan, later = folder / part_name(0, 0, 2, birth), folder / part_name(1, 0, 2, birth)
    stranger, older = folder / "notes.jsonl", folder / part_name(0, 0, 2)
    for path in (orphan, later, stranger, older):
        path.write_text("1\n1\n")
    assert list(handle.result()) == [0.2] * 6, "they are not read"
    until(lambda: not orphan.exists(), 10, "the batch has been finished")
    assert later.exists(), "a redrive may name it in a moment"
    assert stranger.exists(), "it is not ours"
    assert older.exists(), "it is of another batch of this id"
    assert list(handle.result()) == [0.2] * 6


def test_a_part_that_is_written_after_its_batch_has_been_finished_is_removed(tmp_path: Path) -> None:
    path, options = str(tmp_path / "noted"), {"workers": 2, "slots": 1, "lease_s": 1, "grace_s": 0}
    with flowq.LocalCluster(imports=["tests.policed"], log_level="INFO", **options) as cluster:
        handle = policed.Call(path, 1.0, sink=str(tmp_path / "out")).submit([{"key": "one"}])
        (holder,) = until(lambda: policed.noted(path) and handle.held().values(), 10, "the item runs")
        worker = next(one for one in cluster.workers if f"{one.name}@" in holder)
        worker.kill(signal.SIGSTOP)
        result = handle.result(timeout=30)
        until(lambda: handle.state().confirmed == 0, 10, "the batch has been finished")
        # Its main process stays frozen: nobody tells it that what it runs is another's by now.
        os.kill(policed.noted(path)[0][1], signal.SIGCONT)
        Log(worker.log_path, whole=True).await_line("ForkPoolWorker", "succeeded")
        assert len(policed.noted(path, "end")) == 2
        assert list((tmp_path / "out" / handle.id).iterdir()) == [Path(part.address) for part in result.parts]
        assert list(result) == ["one"]


@pytest.mark.parametrize("lost", [False, True])
def test_a_part_stays_of_which_the_answer_was_lost_or_nobody_knows(
    cluster: flowq.LocalCluster, tmp_path: Path, lost: bool
) -> None:
    handle = nodes.Square(sink=str(tmp_path)).submit(range(100))
    result = handle.result()
    connections = cluster.executor.connections
    commits = connections.redis.hgetall(connections.keys.of(handle.id, "out"))
    if lost:  # its retention is over
        connections.redis.delete(*connections.keys.own(handle.id))
    for field, blob in commits.items():
        sink = open_sink(str(tmp_path), handle.id)
        take_back(connections, handle.header, sink, field.decode().removesuffix("~0"), blob)
    assert list(result) == [n * n for n in range(100)]


def test_the_parts_of_a_batch_stay_when_another_of_its_key_is_finished(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    connections, results = cluster.executor.connections, []
    for _ in range(2):
        handle = nodes.Square(sink=str(tmp_path)).submit(range(100), key="nightly")
        results.append(handle.result(timeout=30))
        until(lambda handle=handle: handle.state().confirmed == 0, 10, "the batch has been finished")  # type: ignore[misc]
        connections.redis.delete(*connections.keys.own(handle.id))  # its retention is over, or Redis is another one
    assert [list(result) for result in results] == [[n * n for n in range(100)]] * 2


def test_a_batch_is_finished_though_its_sink_cannot_be_looked_through(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    handle = nodes.Square(sink=f"{stores.Unlisted.protocol}://{tmp_path}").submit(range(10))
    assert list(handle.result()) == [n * n for n in range(10)]
    until(lambda: handle.state().confirmed == 0, 10, "the batch has been confirmed")
