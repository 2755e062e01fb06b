"""The context of a call."""

from __future__ import annotations

import contextvars
from typing import Any

from flowq.core import ItemContext, Node, current_context
from flowq.core.context import enter_context


def test_outside_of_a_batch_it_reports_to_nobody_and_is_never_cancelled() -> None:
    ctx = ItemContext()
    ctx.progress(1, 2)
    ctx.heartbeat()
    assert (ctx.cancelled, ctx.attempt, ctx.item_index, dict(ctx.config)) == (False, 0, None, {})


def test_whoever_made_it_hears_of_progress_and_life_and_says_whether_it_is_cancelled() -> None:
    heard: list[Any] = []
    ctx = ItemContext(
        item_index=7,
        is_cancelled=lambda: True,
        on_progress=lambda ctx, done, total: heard.append((ctx.item_index, done, total)),
        on_heartbeat=lambda ctx: heard.append(ctx.item_index),
    )
    ctx.progress(3, 9)
    ctx.heartbeat()
    assert heard == [(7, 3, 9), 7]
    assert ctx.cancelled


def test_a_node_within_an_items_call_has_the_item_and_an_attempt_of_its_own() -> None:
    seen: list[ItemContext] = []

    class Within(Node):
        def exec(self, prep_res: Any) -> None:
            ctx = current_context()
            assert ctx is not None
            seen.append(ctx)
            assert self.cur_retry == 0

    def item() -> None:
        outer = ItemContext(attempt=3, item_index=7, item_key="k", run_id="r", node="batch", idempotency_key="b:7")
        enter_context(outer)
        Within(config={"own": 1}).run({})
        assert current_context() is outer

    contextvars.Context().run(item)
    ctx = seen[0]
    assert (ctx.attempt, ctx.item_index, ctx.item_key, ctx.run_id, ctx.node) == (0, 7, "k", "r", "Within")
    assert (ctx.idempotency_key, ctx.config) == ("b:7", {"own": 1})


def test_a_failure_within_an_item_names_the_item() -> None:
    class Broken(Node):
        def exec(self, prep_res: Any) -> None:
            raise ValueError

    def item() -> list[str]:
        enter_context(ItemContext(item_index=7))
        try:
            Broken().run({})
        except ValueError as exc:
            return exc.__notes__
        return []

    assert contextvars.Context().run(item) == ["in node Broken, item 7, attempt 1"]
