"""What a flow's check finds before it runs."""

from __future__ import annotations

from typing import Any, Literal

from flowq.core import Flow, Node


class Review(Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Literal["approve", "reject"] | None:
        return None


def test_a_sound_flow_has_no_problems_and_cycles_are_none() -> None:
    a, b = Review(), Node()
    a - "approve" >> b
    a - "reject" >> a
    assert Flow(a).check() == []


def test_a_flow_without_a_start_is_one() -> None:
    assert Flow(name="empty").check() == [
        "empty has no start node: give it one with Flow(start=...) or flow.start(node)"
    ]


def test_declared_actions_that_lead_nowhere_are_found() -> None:
    a = Review(name="review")
    a - "approve" >> Node()
    assert Flow(a).check() == ["review.post may return 'reject', which leads nowhere"]


def test_a_leaf_may_return_what_it_likes() -> None:
    assert Flow(Review()).check() == []


def test_connected_nodes_that_cannot_be_reached_are_found() -> None:
    a, lost = Node(), Node(name="lost")
    assert Flow(a).connect(lost, "x", a).connect(lost, "y", a).check() == ["lost cannot be reached from the start"]


def test_arguments_that_cannot_travel_are_found() -> None:
    (problem,) = Flow(Node(config={"f": print})).check()
    assert problem.startswith("argument 'config' of node Node['f'] cannot travel to the workers: print is a function")


def test_annotations_that_name_nothing_are_no_problem() -> None:
    class Odd(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> NowhereDefined:  # type: ignore[name-defined]  # noqa: F821
            return None

    a = Odd()
    a >> Node()
    assert Flow(a).check() == []
