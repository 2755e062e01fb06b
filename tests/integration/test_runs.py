"""Durable runs: submit a flow, walk away, come back. Whatever dies, what is done stays done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import flowq
from flowq.batch.executor import activated
from flowq.client import CeleryExecutor
from flowq.client.run import DurableRun
from flowq.engine.care.remains import Cleaner
from flowq.engine.connection import Connections
from flowq.engine.ending.facts import children
from flowq.engine.reading.results import read_holders, read_state
from flowq.engine.running.slot import Slot
from flowq.engine.stored.reached import Reached
from flowq.local import EmbeddedRedis
from flowq.worker.boards import Boards
from tests import nested
from tests.waiting import until

DAY_S = 86_400
MARKS = ["one", "two", "three", "four", "five", "six"]


@pytest.fixture(scope="module")
def runs_cluster() -> Iterator[flowq.LocalCluster]:
    with flowq.LocalCluster(slots=1, workers=2, imports=["tests.nested"], lease_s=2, grace_s=0) as cluster:
        yield cluster


@pytest.fixture(params=["inline", "workers"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "workers":
        request.getfixturevalue("runs_cluster")
        yield "workers"
        return
    with activated(flowq.InlineExecutor()):
        yield "inline"


def test_a_run_is_the_flow_run_here(place: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    shared = {"numbers": list(range(20))}
    run = nested.six_steps(str(path)).submit(shared)
    result = run.result(timeout=30)
    assert (run.status, result.action) == ("succeeded", None)
    assert dict(result.shared) == {"numbers": list(range(20)), "marks": MARKS, "squares": [n * n for n in range(20)]}
    assert shared == {"numbers": list(range(20))}, "the producer's own store stays as it is"
    assert [step.node for step in run.history()] == [
        "one",
        "two",
        "three",
        "Squares",
        "four",
        "five",
        "six",
        "SixSteps",
    ]
    assert [step.number for step in run.events()] == list(range(1, 9))
    counted = Counter(nested.notes(path))
    assert set(counted.values()) == {1}


def test_the_same_key_is_the_same_run_and_its_id_finds_it_again(
    runs_cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    path = tmp_path / "notes"
    runs = [nested.six_steps(str(path)).submit({"numbers": [1]}, key="nightly") for _ in range(2)]
    assert runs[0].id == runs[1].id
    found = flowq.get_run(runs[0].id)
    assert found.result(timeout=30).shared["squares"] == [1]
    assert Counter(nested.notes(path))["one begins"] == 1
    assert nested.six_steps(str(path)).submit({"numbers": [1]}, key="nightly").status == "succeeded"


@pytest.mark.parametrize("unknown", ["nightly-0123456789", "{meta}", "", "Ünbekannt"])
def test_an_id_of_no_run_is_said_to_be_that(runs_cluster: flowq.LocalCluster, unknown: str) -> None:
    with pytest.raises(flowq.BatchLost, match=f"Redis does not hold run {unknown} ") as raised:
        flowq.get_run(unknown)
    assert (raised.value.batch_id, raised.value.kind) == (unknown, "run")


def test_the_id_of_a_batch_finds_no_run_and_that_of_a_run_no_batch(
    runs_cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    batch = nested.Squares(str(tmp_path / "notes")).submit([1])
    with pytest.raises(flowq.FlowError, match=f"is a batch and no run: flowq.get_batch.'{batch.id}'"):
        flowq.get_run(batch.id)
    run = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({})
    with pytest.raises(flowq.FlowError, match=f"is a run and no batch: flowq.get_run.'{run.id}'"):
        flowq.get_batch(run.id)
    for look_up in (flowq.get_run, flowq.get_batch):
        with pytest.raises(TypeError, match=f"was given the handle of {run.id} itself"):
            look_up(run)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a str, not NoneType"):
            look_up(None)  # type: ignore[arg-type]


def test_a_run_that_redis_has_lost_is_said_to_be_a_run_whatever_is_asked_of_it(
    runs_cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    run = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({})
    assert run.wait(20)
    connections = runs_cluster.executor.connections
    connections.redis.delete(*connections.redis.keys(f"*{run.id}*"))
    acts: list[Callable[[], object]] = [
        lambda: run.status,
        lambda: run.wait(1),
        lambda: run.result(1),
        run.history,
        lambda: list(run.events()),
        lambda: run.send("answer"),
        run.pause,
        run.resume,
        lambda: run.resume(fork=True),
        run.awaits,  # type: ignore[attr-defined]
        run.batches,  # type: ignore[attr-defined]
    ]
    for act in acts:
        with pytest.raises(flowq.BatchLost, match=f"Redis does not hold run {run.id} "):
            act()
    run.cancel()  # that has been seen to


def test_who_reads_the_store_of_a_run_when_its_cluster_has_ended_is_told_so(tmp_path: Path) -> None:
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nested"]):
        result = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({"n": [1]}).result(timeout=30)
    with pytest.raises(flowq.NoRedis) as raised:
        dict(result.shared)
    assert "dict(result.shared) fetches all" in raised.value.__notes__[0]


def test_a_run_that_failed_goes_on_with_what_is_missing(place: str, tmp_path: Path) -> None:
    path, broken = tmp_path / "notes", tmp_path / "broken"
    broken.touch()
    first = nested.Step("one", str(path))
    (
        first
        >> nested.Squares(str(path), str(broken), 89, on_error="raise", max_failures=9)
        >> nested.Step("two", str(path))
    )
    run = flowq.Flow(first).submit({"numbers": list(range(100))})
    with pytest.raises(flowq.BatchError):
        run.result(timeout=30)
    assert run.status == "failed"
    broken.unlink()
    before = nested.notes(path)
    # What has failed, and what had no outcome when the batch stopped, though it may have been under way.
    missing = [
        f"square {one.index}"
        for batch_id in (run.batches() if place == "workers" else [])
        for one in flowq.get_batch(batch_id).outcomes()
        if one.status != "ok"
    ]
    assert run.resume().result(timeout=30).shared["squares"] == [n * n for n in range(100)]
    again = nested.notes(path)[len(before) :]
    if place == "workers":
        assert sorted(again) == sorted([*missing, "two begins", "two ends"])
    assert [one for one in again if one.startswith("one")] == []
    assert [step.node for step in run.history()] == ["one", "Squares", "two", "Flow"], "each of them was done once"
    with pytest.raises(flowq.FlowError, match="has succeeded"):
        run.resume()


def steps_of(run: flowq.Run) -> list[tuple[int, str, int]]:
    """Number, node and generation of each step in its history."""
    return [(step.number, step.node, step.generation) for step in run.history()]


def test_a_step_that_is_done_stands_once_in_the_history_however_often_the_run_goes_on(
    place: str, tmp_path: Path
) -> None:
    path, broken = tmp_path / "notes", tmp_path / "broken"
    broken.touch()
    first = nested.Step("one", str(path))
    first >> nested.Squares(str(path), str(broken), 0, on_error="raise") >> nested.Step("two", str(path))
    run = flowq.Flow(first, name="whole").submit({"numbers": [0, 1]})
    for again in (run.wait, run.resume, broken.unlink, run.resume):  # it waits for its batch in each generation
        again()
        assert run.wait(30)
    assert steps_of(run) == [(1, "one", 0), (2, "Squares", 2), (3, "two", 2), (4, "whole", 2)]
    assert [step.number for step in run.events()] == [1, 2, 3, 4]


def test_steps_that_were_done_again_stand_in_the_history_with_their_generation(
    runs_cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    first = nested.Step("one", path)
    first >> nested.Squares(path) >> nested.Step("two", path)
    run = flowq.Flow(first, name="whole").submit({"numbers": [0, 1]})
    assert run.wait(30)
    assert run.resume(from_step=1).wait(30)
    once = [(1, "one", 0), (2, "Squares", 0), (3, "two", 0), (4, "whole", 0)]
    assert steps_of(run) == [*once, (2, "Squares", 1), (3, "two", 1), (4, "whole", 1)]
    assert run.resume(from_step=0).wait(30)
    assert steps_of(run)[7:] == [(number, node, 2) for number, node, _ in once]


def test_a_run_that_went_on_goes_back_to_what_a_step_left_and_to_nothing_that_came_later(
    place: str, tmp_path: Path
) -> None:
    path, broken = tmp_path / "notes", tmp_path / "broken"
    broken.touch()
    first = nested.Step("one", str(path))
    first >> nested.CountsPreps(str(path), str(broken), 0, on_error="raise")
    run = flowq.Flow(first).submit({"numbers": [0, 1]})
    assert run.wait(30)
    assert run.resume().wait(30)  # a further generation waits after step 1 with what the next node's prep has changed
    broken.unlink()
    assert run.resume(from_step=1).result(timeout=30).shared["preps"] == 1


def test_a_run_goes_back_to_a_step_and_a_fork_goes_on_beside_it(place: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    run = nested.six_steps(str(path)).submit({"numbers": [1, 2]})
    assert run.result(timeout=30).shared["marks"] == MARKS
    fork = run.resume(from_step=3, fork=True)
    assert fork.id != run.id
    assert fork.result(timeout=30).shared["marks"] == MARKS
    counted = Counter(nested.notes(path))
    assert (counted["three ends"], counted["square 1"], counted["four ends"]) == (1, 2, 2)
    assert run.resume(from_step=0).result(timeout=30).shared["marks"] == MARKS
    assert Counter(nested.notes(path))["one ends"] == 2
    with pytest.raises(flowq.FlowError, match="step 77"):
        run.resume(from_step=77)


def test_a_paused_run_is_forked_and_stays_paused(place: str, tmp_path: Path) -> None:
    run = flowq.Flow(nested.Approval(str(tmp_path / "notes"))).submit({})
    until(lambda: run.status == "parked", 20, "it asks")
    run.pause()
    fork = run.resume(fork=True)
    assert (fork.id != run.id, run.status) == (True, "paused")
    fork.send("approval", "yes")
    assert fork.result(timeout=20).shared["answers"] == ["yes"]
    run.resume()
    run.send("approval", "no")
    assert run.result(timeout=20).shared["answers"] == ["no"]


def test_a_fork_of_a_run_that_has_succeeded_begins_at_a_step_that_is_named(place: str, tmp_path: Path) -> None:
    run = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({})
    run.result(timeout=20)
    for fork in (False, True):
        with pytest.raises(flowq.FlowError, match="has succeeded: say from which step"):
            run.resume(fork=fork)


def test_the_steps_of_a_result_are_those_that_led_to_it(place: str, tmp_path: Path) -> None:
    run = nested.six_steps(str(tmp_path / "notes")).submit({"numbers": [1, 2]})
    steps = [step.node for step in run.result(timeout=30).steps]
    for at in (3, 0):
        run.resume(from_step=at)
        assert [step.node for step in run.result(timeout=30).steps] == steps


def test_an_event_that_comes_while_a_run_is_paused_is_received_once_it_goes_on(place: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    run = flowq.Flow(nested.Approval(str(path))).submit({})
    until(lambda: run.status == "parked", 20, "it asks")
    run.pause()
    run.send("approval", "yes")
    assert not run.wait(0.5)
    assert "answered" not in nested.notes(path)
    run.resume()
    assert run.result(timeout=20).shared["answers"] == ["yes"]


def test_a_fork_goes_on_after_the_run_it_came_from_was_removed(
    runs_cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    first, ask = nested.Step("one", path), nested.Approval(path)
    first >> ask
    ask - "yes" >> nested.Step("two", path)
    run = flowq.Flow(first).submit({"numbers": [1]})
    run.send("approval", "yes")
    assert run.result(timeout=20).shared["marks"] == ["one", "two"]
    fork = run.resume(from_step=1, fork=True)
    until(lambda: fork.status == "parked", 20, "the fork waits")
    cleaner = Cleaner(runs_cluster.executor.connections)
    found = cleaner.find(older_than_s=0.0)
    assert run.id in found.ended
    assert fork.id not in found.ended
    cleaner.remove(found)
    with pytest.raises(flowq.BatchLost):
        flowq.get_run(run.id)
    fork.send("approval", "yes")
    shared = fork.result(timeout=20).shared
    assert (shared["numbers"], shared["marks"]) == ([1], ["one", "two"])


@pytest.mark.parametrize("end", ["succeeded", "cancelled"])
def test_the_store_of_a_run_stays_after_its_end_for_its_retention(
    runs_cluster: flowq.LocalCluster, tmp_path: Path, end: str
) -> None:
    first = nested.Step("one", str(tmp_path / "notes"))
    first >> nested.Approval(str(tmp_path / "notes"))
    run = flowq.Flow(first).submit({"numbers": [1]})
    until(lambda: run.status == "parked", 20, "it waits")
    redis, keys = runs_cluster.executor.connections.redis, runs_cluster.executor.connections.keys
    blobs = redis.keys(keys.blob(run.id, "*"))
    assert min(redis.ttl(key) for key in blobs) > DAY_S
    if end == "succeeded":
        run.send("approval", "yes")
    else:
        run.cancel()
    until(lambda: redis.zscore(keys.batches, run.id) is None, 20, "nothing is left to be done for it")
    assert run.status == end
    assert all(0 < redis.ttl(key) <= DAY_S for key in redis.keys(keys.blob(run.id, "*")))
    assert redis.exists(*blobs) == len(blobs)
    assert not redis.exists(keys.held(run.id))


def test_a_batch_stays_as_long_as_the_run_that_may_still_read_it(
    runs_cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    run = flowq.Flow(nested.Squares(str(tmp_path / "notes"), str(broken), 1, on_error="raise")).submit(
        {"numbers": [0, 1, 2]}
    )
    with pytest.raises(flowq.BatchError):
        run.result(timeout=20)
    connections = runs_cluster.executor.connections
    (batch_id,) = run.batches()
    connections.redis.hset(connections.keys.meta(batch_id), "closed_ms", 1)  # it ended long before its run
    cleaner = Cleaner(connections)
    found = cleaner.find(older_than_s=3600.0)
    assert found.ended == []
    cleaner.remove(found)
    broken.unlink()
    assert run.resume().result(timeout=20).shared["squares"] == [0, 1, 4]
    connections.redis.hset(connections.keys.meta(run.id), "closed_ms", 1)
    connections.redis.hset(connections.keys.meta(batch_id), "closed_ms", 1)
    assert sorted(cleaner.find(older_than_s=3600.0).ended) == sorted([run.id, batch_id])


def forget(connections: Connections, batch_id: str) -> None:
    """As after the retention of a batch."""
    until(lambda: read_state(connections, batch_id).closed, 20, "it has ended")
    redis = connections.redis
    until(lambda: not redis.zscore(connections.keys.batches, batch_id), 20, "and was confirmed")
    redis.delete(*redis.keys(connections.keys.pattern(batch_id)))


def test_a_batch_that_is_gone_when_its_run_goes_on_is_begun_anew_under_the_same_keys(
    runs_cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    path, broken = tmp_path / "notes", tmp_path / "broken"
    broken.touch()
    run = flowq.Flow(nested.Charges(str(path), str(broken))).submit({})
    with pytest.raises(flowq.BatchError):
        run.result(timeout=20)
    before = set(nested.notes(path))
    path.unlink()
    forget(runs_cluster.executor.connections, run.batches()[0])
    broken.unlink()
    assert run.resume().result(timeout=20).shared["charged "] == ["charged 0", "charged 1", "charged 2"]
    assert len(nested.notes(path)) == 3
    assert set(nested.notes(path)) >= before
    assert len(run.batches()) == 1


def test_a_batch_that_is_begun_anew_has_the_items_that_there_are_now(tmp_path: Path) -> None:
    path, broken = tmp_path / "notes", tmp_path / "broken"
    # One process alone, which knows the old ones.
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nested"], grace_s=0) as cluster:
        broken.touch()
        run = flowq.Flow(nested.Charges(str(path), str(broken), later=(7, 8, 9, 10))).submit({})
        with pytest.raises(flowq.BatchError):
            run.result(timeout=20)
        forget(cluster.executor.connections, run.batches()[0])
        broken.unlink()
        charged = run.resume().result(timeout=20).shared["charged "]
    assert charged == ["charged 7", "charged 8", "charged 9", "charged 10"]


def test_a_batch_that_is_gone_when_a_paused_run_goes_on_is_begun_anew(
    runs_cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    connections, path = runs_cluster.executor.connections, tmp_path / "notes"
    run = flowq.Flow(nested.Watched(str(path), 1, 0.5)).submit({})
    (batch_id,) = until(run.batches, 20, "its batch is there")
    until(lambda: read_holders(connections, batch_id), 20, "the item runs")
    run.pause()
    forget(connections, batch_id)
    assert not run.wait(0.0)
    run.resume().result(timeout=20)
    assert len(nested.notes(path)) == 2


def test_an_item_whose_batch_is_gone_can_be_redriven(runs_cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    path, broken = tmp_path / "notes", tmp_path / "broken"
    broken.touch()
    handle = nested.Level(nested.Charges(str(path), str(broken)), 2, on_error="collect").submit(
        [{"place": 0}, {"place": 1}]
    )
    assert [one.status for one in handle.result(timeout=20).items] == ["failed", "failed"]
    connections = runs_cluster.executor.connections
    for batch_id in children(connections, handle.id):
        forget(connections, batch_id)
    broken.unlink()
    handle.retry_failed()
    assert [str(one.error) for one in handle.result(timeout=20).items] == ["None", "None"]


def test_who_begins_a_batch_anew_and_dies_is_followed_by_one_that_waits_for_it(redis_server: EmbeddedRedis) -> None:
    executor = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    connections = executor.connections
    slot = Slot(connections, "one", Boards().own(0))
    work = slot.work(executor.submit(nested.Level(nested.Leaves(3), 1).job([{}], shared={})).header.id)
    assert work.journeys is not None
    (left,) = work.runner.run([{}], 0).parked
    assert Reached.decode(left.reached).child is not None
    batch_id, _ = Reached.decode(left.reached).child or ("", 0)
    connections.redis.delete(*connections.redis.keys(connections.keys.pattern(batch_id)))
    for sealed in (1, 0):  # who died had written all items, or not
        for _ in range(2):
            work.journeys.begin(0, 0, left.reached)
            (again,) = work.runner.run([{}], 0).parked
            assert Reached.decode(again.reached).child == (batch_id, 1)
            state = read_state(connections, batch_id)
            assert (state.gen, state.avail, state.sealed) == (1, 3, True)
            connections.redis.hset(connections.keys.meta(batch_id), "sealed", sealed)
    connections.close()


def test_a_run_waits_for_an_event_without_a_slot(place: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    ask = nested.Approval(str(path))
    ask - "no" >> ask
    ask - "yes" >> nested.Step("published", str(path))
    run = flowq.Flow(ask).submit({})
    until(lambda: run.status == "parked", 10, "it waits")
    if place == "workers":
        # The same slots run another batch meanwhile.
        assert nested.Squares(str(path)).submit(range(20)).result(timeout=20) == [n * n for n in range(20)]
    run.send("approval", "no")
    run.send("approval", "yes")
    assert run.result(timeout=20).shared["answers"] == ["no", "yes"]
    assert Counter(nested.notes(path))["answered"] == 2
    with pytest.raises(flowq.FlowError, match="nobody receives"):
        run.send("approval", "late")


def test_a_fork_receives_the_events_that_are_sent_to_it_from_the_first(place: str, tmp_path: Path) -> None:
    ask = nested.Approval(str(tmp_path / "notes"))
    ask - "no" >> nested.Approval(str(tmp_path / "notes"))
    run = flowq.Flow(ask).submit({})
    run.send("approval", "no")
    until(lambda: len(run.history()) == 1, 20, "it has been answered")
    fork = run.resume(from_step=1, fork=True)
    fork.send("approval", "yes")
    assert fork.result(timeout=20).shared["answers"] == ["no", "yes"]
    run.send("approval", "maybe")
    assert run.result(timeout=20).shared["answers"] == ["no", "maybe"]


def test_a_run_that_goes_back_to_a_step_asks_anew_and_reuses_no_answer(place: str, tmp_path: Path) -> None:
    ask = nested.Approval(str(tmp_path / "notes"))
    ask - "no" >> nested.Approval(str(tmp_path / "notes"))
    run = flowq.Flow(ask).submit({})
    for answer in ("no", "yes"):
        run.send("approval", answer)
    assert run.result(timeout=20).shared["answers"] == ["no", "yes"]
    run.resume(from_step=1)
    until(lambda: run.status == "parked", 20, "it asks once more")
    run.send("approval", "maybe")
    assert run.result(timeout=20).shared["answers"] == ["no", "maybe"]
    run.resume(from_step=0)
    until(lambda: run.status == "parked", 20, "it asks from the start")
    for answer in ("no", "later"):
        run.send("approval", answer)
    assert run.result(timeout=20).shared["answers"] == ["no", "later"]


def test_a_further_try_of_a_node_receives_what_the_one_that_failed_had(place: str, tmp_path: Path) -> None:
    node = nested.Falters(str(tmp_path / "faltered"), max_retries=3)
    node >> nested.Approval(str(tmp_path / "notes"))
    run = flowq.Flow(node).submit({})
    for answer in ("a", "b"):
        run.send("approval", answer)
    assert run.result(timeout=20).shared["answers"] == ["a", "b"]


def test_a_further_try_of_a_flow_receives_what_only_the_node_that_failed_had(place: str, tmp_path: Path) -> None:
    ask = nested.Approval(str(tmp_path / "notes"))
    ask.next(nested.Falters(str(tmp_path / "faltered")), "a").next(nested.Approval(str(tmp_path / "notes")))
    ask.next(nested.Falters(str(tmp_path / "faltered")), "b")
    run = flowq.Flow(flowq.Flow(ask, max_retries=2)).submit({})
    for answer in ("a", "b", "c"):
        run.send("approval", answer)
    assert run.result(timeout=20).shared["answers"] == ["a", "b", "c"]


def test_a_run_that_goes_on_receives_what_the_node_that_failed_had(place: str, tmp_path: Path) -> None:
    run = flowq.Flow(nested.Falters(str(tmp_path / "faltered"))).submit({})
    run.send("approval", "a")
    with pytest.raises(ValueError, match="once more"):
        run.result(timeout=20)
    assert run.resume().result(timeout=20).shared["answers"] == ["a"]


def test_waits_side_by_side_receive_an_event_each(place: str, tmp_path: Path) -> None:
    both = nested.AsksTwo()
    both >> nested.Approval(str(tmp_path / "notes"))
    run = flowq.Flow(both).submit({})
    for answer in ("a", "b", "c"):
        until(lambda: run.status == "parked", 20, "it waits")
        run.send("approval", answer)
    assert run.result(timeout=20).shared["answers"] == ["a", "b", "c"]


def test_an_event_that_was_sent_before_it_is_waited_for_is_not_lost(place: str, tmp_path: Path) -> None:
    slow = nested.Step("slow", str(tmp_path / "notes"), 0.5)
    slow >> nested.Approval(str(tmp_path / "notes"))
    run = flowq.Flow(slow).submit({})
    run.send("approval", "early")
    assert run.result(timeout=20).shared["answers"] == ["early"]


def test_a_wait_has_a_timeout(place: str, tmp_path: Path) -> None:
    run = flowq.Flow(nested.Approval(str(tmp_path / "notes"), 0.3)).submit({})
    with pytest.raises(TimeoutError, match="did not come within"):
        run.result(timeout=20)


@pytest.mark.parametrize("again_s", [None, 60.0])
def test_a_node_that_has_waited_in_vain_waits_again(place: str, tmp_path: Path, again_s: float | None) -> None:
    path = tmp_path / "notes"
    run = flowq.Flow(nested.Reminds(str(path), [0.3, 0.2, again_s])).submit({})
    until(lambda: len(set(nested.notes(path))) == 2 and run.status == "parked", 20, "it waits for the third time")
    run.send("approval", "yes")
    assert run.result(timeout=20).shared["answers"] == ["2 yes"]
    in_vain = [f"{n}: the event 'approval' did not come within {s} s" for n, s in enumerate(["0.3", "0.2"])]
    assert sorted(set(nested.notes(path))) == in_vain


def test_a_wait_has_its_whole_time_in_the_next_try_of_its_node(place: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    run = flowq.Flow(nested.WaitsLonger(str(path), max_retries=2)).submit({})
    until(lambda: "asks for long" in nested.notes(path) and run.status == "parked", 20, "it waits in its second try")
    run.send("approval", "yes")
    assert run.result(timeout=20).shared["answers"] == ["yes"]


def test_and_in_the_next_try_of_the_flow_around_it(place: str, tmp_path: Path) -> None:
    path, patient = tmp_path / "notes", tmp_path / "patient"
    inner = nested.Relents(nested.WaitsLonger(str(path), str(patient)), str(patient), max_retries=2)
    run = flowq.Flow(inner).submit({})
    until(lambda: "asks for long" in nested.notes(path) and run.status == "parked", 20, "it waits in its second try")
    run.send("approval", "yes")
    assert run.result(timeout=20).shared["answers"] == ["yes"]


def test_and_in_a_run_that_goes_on_after_it_has_failed(place: str, tmp_path: Path) -> None:
    path, patient = tmp_path / "notes", tmp_path / "patient"
    run = flowq.Flow(nested.WaitsLonger(str(path), str(patient))).submit({})
    with pytest.raises(TimeoutError):
        run.result(timeout=20)
    patient.touch()
    run.resume()
    until(lambda: "asks for long" in nested.notes(path) and run.status in ("parked", "failed"), 20, "it waits again")
    run.send("approval", "yes")
    assert run.result(timeout=20).shared["answers"] == ["yes"]


def test_who_sends_to_a_run_that_has_failed_is_told_so(place: str, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    flow = flowq.Flow(nested.Squares(str(tmp_path / "notes"), str(tmp_path / "broken"), 1, on_error="raise"))
    run = flow.submit({"numbers": [2]})
    assert run.wait(20)
    assert run.resume().wait(20), "and fails again"
    with pytest.raises(flowq.FlowError, match="has failed: nobody receives the event 'approval'"):
        run.send("approval", "yes")


def test_and_who_sends_to_one_that_was_cancelled(place: str, tmp_path: Path) -> None:
    run = flowq.Flow(nested.Approval(str(tmp_path / "notes"))).submit({})
    run.cancel()
    assert run.wait(20)
    with pytest.raises(flowq.FlowError, match="was cancelled: nobody receives the event 'approval'"):
        run.send("approval", "yes")


def test_nobody_can_send_to_a_flow_that_was_not_submitted(tmp_path: Path) -> None:
    with pytest.raises(flowq.FlowError, match="submit"):
        flowq.Flow(nested.Approval(str(tmp_path / "notes"))).run({})


def test_nobody_can_send_to_an_item_of_a_batch_in_a_submitted_flow_or_out_of_one(place: str, tmp_path: Path) -> None:
    asked = nested.Level(nested.Approval(str(tmp_path / "notes")), 2)
    with pytest.raises(flowq.BatchError) as in_a_run:
        flowq.Flow(asked).submit({}).result(timeout=20)
    with pytest.raises(flowq.BatchError) as alone:
        asked.run({})
    for error in (in_a_run.value.exceptions[0], alone.value.exceptions[0]):
        assert type(error) is flowq.FlowError
        assert "Approval waits for the event 'approval', which only a submitted flow" in str(error)


def test_a_cancelled_run_ends_with_its_batches(place: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    run = nested.six_steps(str(path), 0.3).submit({"numbers": [1]})
    until(lambda: "two begins" in nested.notes(path), 20, "it runs")
    run.cancel()
    run.cancel()
    with pytest.raises(flowq.RunCancelled, match="resume"):
        run.result(timeout=20)
    assert run.status == "cancelled"
    assert run.resume().result(timeout=30).shared["marks"] == MARKS
    assert Counter(nested.notes(path))["one begins"] == 1


def test_a_run_that_was_cancelled_knows_its_batches(runs_cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    waits = nested.Squares(str(tmp_path / "notes"), str(tmp_path), 0, on_error="raise", max_retries=2, wait=60)
    run = flowq.Flow(waits).submit({"numbers": [1]})
    assert isinstance(run, DurableRun)
    batches = until(run.batches, 20, "it has begun one")
    run.cancel()
    assert run.wait(20)
    assert run.batches() == batches


def test_a_paused_run_begins_nothing_more(place: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    run = nested.six_steps(str(path), 0.3).submit({"numbers": [1]})
    until(lambda: "two begins" in nested.notes(path), 20, "it runs")
    run.pause()
    assert not run.wait(1.0)
    assert run.status == "paused"
    assert "six begins" not in nested.notes(path)
    assert run.resume().result(timeout=30).shared["marks"] == MARKS


def test_a_pause_is_heeded_between_steps_that_wait_for_nothing(place: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    nodes = [nested.Step(mark, str(path), 0.3) for mark in MARKS]
    for node, following in pairwise(nodes):
        node >> following
    run = flowq.Flow(nodes[0]).submit({})
    until(lambda: "one begins" in nested.notes(path), 20, "it runs")
    run.pause()
    assert not run.wait(2.5)
    assert run.status == "paused"
    done = len(run.history())
    assert 0 < done < 6
    assert [step.node for step in run.resume().result(timeout=30).steps] == [*MARKS, "Flow"]
    assert Counter(nested.notes(path)) == Counter(f"{mark} {what}" for mark in MARKS for what in ("begins", "ends"))


@pytest.mark.parametrize("phase", ["prep", "exec", "post"])
def test_an_error_names_the_node_that_raised_it_and_not_the_flow_around_it(place: str, phase: str) -> None:
    inner = flowq.Flow(nested.RaisesIn(phase), name="inner")
    run = flowq.Flow(inner, name="outer").submit({})
    with pytest.raises(KeyError) as caught:
        run.result(timeout=20)
    named = [note for note in caught.value.__notes__ if note.startswith("in node ")]
    assert [note.partition(",")[0] for note in named] == ["in node RaisesIn"]


def test_an_error_of_the_flows_own_prep_names_the_flow(place: str) -> None:
    run = nested.RefusesToBegin(nested.Approval("/dev/null")).submit({})
    with pytest.raises(KeyError) as caught:
        run.result(timeout=20)
    assert "in node RefusesToBegin" in caught.value.__notes__


def test_a_flows_own_params_are_those_of_its_run(place: str, tmp_path: Path) -> None:
    flow = flowq.Flow(nested.Leaves(1))
    flow.set_params({"place": 7})
    assert flow.submit({}).result(timeout=30).shared["seen"] == [7]
