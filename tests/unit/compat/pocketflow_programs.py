"""Programs written for PocketFlow. Each takes the module that has its names, and returns what it saw. Never asserts."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

Seen = dict[str, Any]


def life_cycle(pf: ModuleType) -> Seen:
    class Step(pf.Node):
        def prep(self, shared):
            return shared["n"]

        def exec(self, prep_res):
            return prep_res + 1

        def post(self, shared, prep_res, exec_res):
            shared["seen"] = (prep_res, exec_res)
            return "done"

    shared = {"n": 1}
    return {"action": Step().run(shared), "shared": shared}


def nothing_overridden(pf: ModuleType) -> Seen:
    return {name: getattr(pf, name)().run({}) for name in ("BaseNode", "Node", "BatchNode", "Flow", "BatchFlow")}


def free_parameter_names(pf: ModuleType) -> Seen:
    class Step(pf.Node):
        def prep(self, _):
            return 1

        def exec(self, *args):
            return args

        def post(self, store, *rest):
            store["rest"] = rest

    shared: Seen = {}
    Step().run(shared)
    return shared


def branches_and_loops(pf: ModuleType) -> Seen:
    class Count(pf.Node):
        def post(self, shared, prep_res, exec_res):
            shared["n"] += 1
            return "again" if shared["n"] < 5 else "enough"

    class End(pf.Node):
        def post(self, shared, prep_res, exec_res):
            shared["end"] = True
            return "end"

    count, end = Count(), End()
    returned = (count - "again" >> count, count - "enough" >> end, count.next(end, "other"))
    shared = {"n": 0}
    action = pf.Flow(start=count).run(shared)
    return {"action": action, "shared": shared, "returned": [one is count or one is end for one in returned]}


def an_unknown_action_ends_the_flow(pf: ModuleType) -> Seen:
    class Lost(pf.Node):
        def post(self, shared, prep_res, exec_res):
            return shared["action"]

    seen: Seen = {}
    for action in ("nowhere", None, "", 7, ("a", "b")):
        lost = Lost()
        lost - "somewhere" >> pf.Node()
        seen[repr(action)] = pf.Flow(start=lost).run({"action": action})
    return seen


def an_action_of_a_leaf_is_returned_whatever_it_is(pf: ModuleType) -> Seen:
    class Leaf(pf.Node):
        def post(self, shared, prep_res, exec_res):
            return shared["action"]

    shareds: list[Seen] = [{"action": one} for one in ("x", None, 3, ("a",))]
    return {"actions": [pf.Flow(start=Leaf()).run(shared) for shared in shareds], "alone": Leaf().run({"action": [1]})}


def an_edge_is_overwritten(pf: ModuleType) -> Seen:
    a, b, c = pf.Node(), pf.Node(), pf.Node()
    a >> b
    a >> c
    a - "x" >> b
    a - "x" >> c
    return {"edges": list(a.successors), "last": a.successors["x"] is c}


def a_node_or_a_flow_with_successors_is_run_alone(pf: ModuleType) -> Seen:
    a, flow = pf.Node(), pf.Flow(pf.Node())
    a >> pf.Node()
    flow >> pf.Node()
    return {"node": a.run({}), "flow": flow.run({})}


def an_async_node_with_successors_is_run_alone(pf: ModuleType) -> Seen:
    a = pf.AsyncNode()
    a >> pf.Node()
    return {"async": asyncio.run(a.run_async({}))}


def an_async_node_is_run_synchronously(pf: ModuleType) -> Seen:
    ran = []

    class Before(pf.Node):
        def exec(self, prep_res):
            ran.append("before")

    before = Before()
    before >> pf.AsyncNode()
    seen: Seen = {}
    for name, call in {
        "alone": lambda: pf.AsyncNode().run({}),
        "in a flow": lambda: pf.Flow(before).run({}),
        "batch": lambda: pf.AsyncBatchNode().run({}),
        "parallel": lambda: pf.AsyncParallelBatchNode().run({}),
    }.items():
        seen[name] = error_of(call)
    return {**seen, "ran": ran}


def retries_and_fallback(pf: ModuleType) -> Seen:
    class Flaky(pf.Node):
        def exec(self, prep_res):
            shared["tries"].append(self.cur_retry)
            if self.cur_retry < shared["good"]:
                raise ValueError(self.cur_retry)
            return "ok"

        def exec_fallback(self, prep_res, exc):
            return f"fallback after {exc!r} at {self.cur_retry}"

        def post(self, shared, prep_res, exec_res):
            shared["result"], shared["last"] = exec_res, self.cur_retry

    seen = []
    for good in (0, 2, 9):
        shared: Seen = {"tries": [], "good": good}
        Flaky(max_retries=3, wait=0.001).run(shared)
        seen.append(shared)
    return {"seen": seen}


def no_tries_at_all(pf: ModuleType) -> Seen:
    class Never(pf.Node):
        def exec(self, prep_res):
            raise AssertionError

        def post(self, shared, prep_res, exec_res):
            shared.append(exec_res)

    class NeverAnItem(pf.BatchNode):
        def prep(self, shared):
            return [1, 2]

        def exec(self, prep_res):
            raise AssertionError

        def post(self, shared, prep_res, exec_res):
            shared.append(exec_res)

    class NeverAsync(pf.AsyncNode):
        async def exec_async(self, prep_res):
            raise AssertionError

        async def post_async(self, shared, prep_res, exec_res):
            shared.append(exec_res)

    shared: list[Any] = []
    Never(max_retries=0).run(shared)
    NeverAnItem(0).run(shared)
    asyncio.run(NeverAsync(0).run_async(shared))
    return {"shared": shared}


def only_exceptions_are_retried(pf: ModuleType) -> Seen:
    tries = []

    class Stop(BaseException):
        pass

    class RaisesBase(pf.Node):
        def exec(self, prep_res):
            tries.append(self.cur_retry)
            raise Stop

    class PrepFails(pf.Node):
        def prep(self, shared):
            tries.append("prep")
            raise ValueError("prep")

    class PostFails(pf.Node):
        def post(self, shared, prep_res, exec_res):
            tries.append("post")
            raise ValueError("post")

    errors = [error_of(lambda node=node: node(max_retries=3).run({})) for node in (RaisesBase, PrepFails, PostFails)]
    return {"errors": errors, "tries": tries}


def an_error_is_raised_as_it_is(pf: ModuleType) -> Seen:
    class Own(Exception):
        pass

    class Fails(pf.BatchNode):
        def prep(self, shared):
            return [1, 2, 3]

        def exec(self, item):
            ran.append(item)
            if item == 2:
                raise Own("no", item) from KeyError("cause")

    ran: list[int] = []
    caught: Exception | None = None
    try:
        pf.Flow(Fails()).run({})
    except Own as error:
        caught = error
    assert caught is not None
    return {"args": caught.args, "cause": repr(caught.__cause__), "context": repr(caught.__context__), "ran": ran}


def an_error_may_wish_for_a_wait(pf: ModuleType) -> Seen:
    class Busy(Exception):
        retry_after = 3600

    class Asks(pf.Node):
        def exec(self, prep_res):
            if self.cur_retry == 0:
                raise Busy
            return self.cur_retry

        def post(self, shared, prep_res, exec_res):
            return str(exec_res)

    return {"action": Asks(max_retries=2).run({})}


class Items:
    """What a batch node's ``prep`` may return; each made anew."""

    @staticmethod
    def all() -> dict[str, Any]:
        return {
            "none": None,
            "empty": [],
            "list": [1, None, 3],
            "tuple": (1, 2),
            "text": "abc",
            "dict": {"a": 1, "b": 2},
            "generator": (n * n for n in range(4)),
            "range": range(3),
        }


def what_prep_may_return(pf: ModuleType) -> Seen:
    class Batch(pf.BatchNode):
        def prep(self, shared):
            return shared["items"]

        def exec(self, item):
            return [item]

        def post(self, shared, prep_res, exec_res):
            shared["same"] = prep_res is shared["items"]
            shared["type"] = type(exec_res).__name__
            shared["out"] = exec_res
            return "action"

    seen = {}
    for name, items in Items.all().items():
        shared = {"items": items}
        action = Batch().run(shared)
        seen[name] = (action, shared["same"], shared["type"], shared["out"])
    return seen


def items_are_read_one_by_one(pf: ModuleType) -> Seen:
    log: list[str] = []

    def items():
        for n in range(3):
            log.append(f"read {n}")
            yield n

    class Batch(pf.BatchNode):
        def prep(self, shared):
            return items()

        def exec(self, item):
            log.append(f"exec {item}")

    Batch().run({})

    class Growing(pf.BatchNode):
        def prep(self, shared):
            self.queue = [3]
            return self.queue

        def exec(self, item):
            if item:
                self.queue.append(item - 1)
            return item

        def post(self, shared, prep_res, exec_res):
            log.append(str(exec_res))

    Growing().run({})
    return {"log": log}


def items_have_their_own_tries(pf: ModuleType) -> Seen:
    class Batch(pf.BatchNode):
        def prep(self, shared):
            return [0, 1, 2, 3]

        def exec(self, item):
            tries.append((item, self.cur_retry))
            if self.cur_retry < item:
                raise ValueError(item)
            return item

        def exec_fallback(self, item, exc):
            return (item, repr(exc), self.cur_retry)

        def post(self, shared, prep_res, exec_res):
            shared["out"] = exec_res

    tries: list[tuple[int, int]] = []
    shared: Seen = {}
    Batch(max_retries=2).run(shared)
    return {"tries": tries, "shared": shared}


def params_are_pushed_and_replaced(pf: ModuleType) -> Seen:
    class Shows(pf.Node):
        def post(self, shared, prep_res, exec_res):
            shared.append(dict(self.params))
            self.params["left"] = "by the one before"

    a, b = Shows(), Shows()
    a.set_params({"own": 1})
    a >> b
    flow = pf.Flow(a)
    flow.set_params({"flow": 2})
    shared: list[Any] = []
    a.run(shared)
    a.set_params({"own": 1})
    flow.run(shared)
    inner = pf.Flow(start=Shows())
    outer = pf.Flow(start=inner)
    outer.set_params({"outer": 3})
    outer.run(shared)
    return {"shared": shared, "a": a.params, "flow": flow.params}


def a_visit_runs_a_shallow_copy(pf: ModuleType) -> Seen:
    class Counts(pf.Node):
        def __init__(self):
            super().__init__()
            self.n, self.all = 0, []

        def exec(self, prep_res):
            self.n += 1
            self.all.append(self.n)

        def post(self, shared, prep_res, exec_res):
            shared["left"] -= 1
            return "again" if shared["left"] else "end"

    node = Counts()
    node - "again" >> node
    node - "end" >> pf.Node()
    pf.Flow(node).run({"left": 3})
    return {"n": node.n, "all": node.all}


def flows_nest(pf: ModuleType) -> Seen:
    class Says(pf.Node):
        def __init__(self, word, action=None):
            super().__init__()
            self.word, self.action = word, action

        def post(self, shared, prep_res, exec_res):
            shared.append(self.word)
            return self.action

    class Inner(pf.Flow):
        def prep(self, shared):
            shared.append("inner prep")
            return "prepared"

        def post(self, shared, prep_res, exec_res):
            shared.append((prep_res, exec_res))
            return exec_res

    a, b = Says("a"), Says("b", "left")
    a >> b
    inner = Inner(start=a)
    inner - "left" >> Says("c", "end")
    inner - "right" >> Says("d")
    shared: list[Any] = []
    return {"action": pf.Flow(start=inner).run(shared), "shared": shared, "empty": pf.Flow().run({})}


def a_batch_flow_shares_the_dict(pf: ModuleType) -> Seen:
    class Add(pf.Node):
        def post(self, shared, prep_res, exec_res):
            shared["sum"] += self.params["n"]
            shared["params"].append(self.params)

    class Sum(pf.BatchFlow):
        def prep(self, shared):
            return ({"n": n} for n in shared["ns"]) if shared["ns"] else None

        def post(self, shared, prep_res, exec_res):
            shared["post"] = (prep_res if isinstance(prep_res, list) else "a generator", exec_res)
            return "posted"

    seen: Seen = {}
    for name, ns in {"three": [1, 2, 3], "none": []}.items():
        shared = {"sum": 0, "ns": ns, "params": []}
        flow = Sum(start=Add())
        flow.set_params({"n": 100, "kept": True})
        seen[name] = (flow.run(shared), shared)
    return seen


def batch_flows_nest(pf: ModuleType) -> Seen:
    class Leaf(pf.Node):
        def post(self, shared, prep_res, exec_res):
            shared.append((self.params["a"], self.params["b"]))

    class Inner(pf.BatchFlow):
        def prep(self, shared):
            return [{"b": b} for b in range(self.params["a"])]

    class Outer(pf.BatchFlow):
        def prep(self, shared):
            return [{"a": a} for a in range(3)]

    shared: list[Any] = []
    return {"action": Outer(start=Inner(start=Leaf())).run(shared), "shared": shared}


def a_batch_flow_stops_at_the_first_error(pf: ModuleType) -> Seen:
    class Leaf(pf.Node):
        def exec(self, prep_res):
            ran.append(self.params["n"])
            if self.params["n"] == 1:
                raise ValueError(1)

    class Batch(pf.BatchFlow):
        def prep(self, shared):
            return [{"n": n} for n in range(3)]

    ran: list[int] = []
    return {"error": error_of(lambda: Batch(start=Leaf()).run({})), "ran": ran}


def async_life_cycle(pf: ModuleType) -> Seen:
    class Step(pf.AsyncNode):
        async def prep_async(self, shared):
            return shared["n"]

        async def exec_async(self, prep_res):
            await asyncio.sleep(0)
            return prep_res + 1

        async def post_async(self, shared, prep_res, exec_res):
            shared["seen"] = (prep_res, exec_res)
            return "done"

        def prep(self, shared):
            raise AssertionError("the sync methods of an AsyncNode are not called")

        exec = post = prep

    shared = {"n": 1}
    return {"action": asyncio.run(Step().run_async(shared)), "shared": shared}


def async_retries_and_fallback(pf: ModuleType) -> Seen:
    class Flaky(pf.AsyncNode):
        async def exec_async(self, prep_res):
            shared["tries"] += 1
            if shared["tries"] < shared["good"]:
                raise ValueError(shared["tries"])
            return "ok"

        async def exec_fallback_async(self, prep_res, exc):
            await asyncio.sleep(0)
            return f"fallback after {exc!r}"

        async def post_async(self, shared, prep_res, exec_res):
            shared["result"] = exec_res

    class NoFallback(pf.AsyncNode):
        async def exec_async(self, prep_res):
            raise KeyError("raw")

    seen = []
    for good in (0, 3, 9):
        shared: Seen = {"tries": 0, "good": good}
        asyncio.run(Flaky(max_retries=3, wait=0.001).run_async(shared))
        seen.append(shared)
    return {"seen": seen, "error": error_of(lambda: asyncio.run(NoFallback(2).run_async({})))}


def async_flows_mix_kinds_and_nest(pf: ModuleType) -> Seen:
    class Sync(pf.Node):
        def post(self, shared, prep_res, exec_res):
            shared.append("sync")

    class Async(pf.AsyncNode):
        async def post_async(self, shared, prep_res, exec_res):
            await asyncio.sleep(0)
            shared.append("async")
            return "on"

    class Inner(pf.AsyncFlow):
        async def prep_async(self, shared):
            shared.append("prep")
            return "prepared"

        async def post_async(self, shared, prep_res, exec_res):
            shared.append((prep_res, exec_res))
            return exec_res

    a, b = Sync(), Async()
    a >> b
    inner = Inner(a)
    inner - "on" >> pf.Flow(Sync())
    shared: list[Any] = []
    return {"action": asyncio.run(pf.AsyncFlow(start=inner).run_async(shared)), "shared": shared}


def a_sync_flow_cannot_await(pf: ModuleType) -> Seen:
    flow = pf.AsyncFlow(start=pf.Flow(start=pf.AsyncNode()))
    return {"error": error_of(lambda: asyncio.run(flow.run_async({})))}


def async_batches_keep_the_order(pf: ModuleType) -> Seen:
    def batch(kind):
        class Batch(kind):
            async def prep_async(self, shared):
                return [2, 0, 1]

            async def exec_async(self, item):
                for _ in range(100 * item):  # rounds of the loop, not a time: a busy machine changes no order
                    await asyncio.sleep(0)
                ended.append(item)
                return item * 2

            async def post_async(self, shared, prep_res, exec_res):
                return tuple(exec_res)

        return Batch()

    seen = {}
    for name in ("AsyncBatchNode", "AsyncParallelBatchNode"):
        ended: list[int] = []
        seen[name] = (asyncio.run(batch(getattr(pf, name)).run_async({})), ended)
    return seen


def an_async_batch_stops_at_the_first_error(pf: ModuleType) -> Seen:
    class Batch(pf.AsyncBatchNode):
        async def prep_async(self, shared):
            return [0, 1, 2]

        async def exec_async(self, item):
            ran.append(item)
            if item == 1:
                raise ValueError(item)

    ran: list[int] = []
    return {"error": error_of(lambda: asyncio.run(Batch().run_async({}))), "ran": ran}


def async_batch_flows_share_the_dict(pf: ModuleType) -> Seen:
    def flow(kind):
        class Add(pf.AsyncNode):
            async def post_async(self, shared, prep_res, exec_res):
                for _ in range(100 * self.params["n"]):  # as above
                    await asyncio.sleep(0)
                shared["order"].append(self.params["n"])

        class Batch(kind):
            async def prep_async(self, shared):
                return [{"n": n} for n in (3, 1, 2)] if shared["some"] else None

            async def post_async(self, shared, prep_res, exec_res):
                shared["post"] = (prep_res, exec_res)
                return "posted"

        return Batch(start=Add())

    seen = {}
    for name in ("AsyncBatchFlow", "AsyncParallelBatchFlow"):
        for some in (True, False):
            shared: Seen = {"order": [], "some": some}
            seen[f"{name} {some}"] = (asyncio.run(flow(getattr(pf, name)).run_async(shared)), shared)
    return seen


def a_sync_node_blocks_the_loop(pf: ModuleType) -> Seen:
    class Blocks(pf.Node):
        def exec(self, prep_res):
            self.tries = getattr(self, "tries", 0) + 1
            if self.tries == 1:
                raise ValueError("once more")

    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticker = asyncio.create_task(tick())
        await asyncio.sleep(0)
        before = ticks
        await pf.AsyncFlow(start=Blocks(max_retries=2, wait=0.01)).run_async({})
        ticker.cancel()
        return ticks - before

    return {"ticks": asyncio.run(main())}


def a_flow_may_choose_the_next_node_itself(pf: ModuleType) -> Seen:
    class Says(pf.Node):
        def post(self, shared, prep_res, exec_res):
            shared.append(type(self).__name__)
            return "anything"

    class Then(Says):
        pass

    class Chooses(pf.Flow):
        def get_next_node(self, curr, action):
            return Then() if type(curr) is Says else super().get_next_node(curr, action)

    shared: list[Any] = []
    return {"action": Chooses(start=Says()).run(shared), "shared": shared}


def what_is_a_what(pf: ModuleType) -> Seen:
    names = [name for name in dir(pf) if name.endswith(("Node", "Flow"))]
    kinds = [getattr(pf, name) for name in names]
    return {f"{one.__name__} is {other.__name__}": issubclass(one, other) for one in kinds for other in kinds}


def wrong_ways_to_wire(pf: ModuleType) -> Seen:
    return {"number": error_of(lambda: pf.Node() - 3), "none": error_of(lambda: pf.Node() - None)}


def error_of(call: Any) -> str:
    try:
        call()
    except BaseException as error:
        return repr(error)
    return "no error"


PROGRAMS = [
    program
    for name, program in sorted(globals().items())
    if callable(program) and getattr(program, "__module__", "") == __name__ and name not in ("Items", "error_of")
]
