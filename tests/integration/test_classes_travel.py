"""Classes among a node's arguments reach the workers by name: exceptions of a Retry, a model to fill."""

from __future__ import annotations

from typing import Any

import flowq
from tests import nodes
from tests.nodes import Point, Refused


def test_a_retry_of_builtin_and_registered_exceptions_travels(cluster: flowq.LocalCluster) -> None:
    retry = flowq.Retry(attempts=3, wait=0.01, retry_on=(ValueError, Refused))
    assert nodes.FailsTwice(retry=retry).submit(range(5)).result(timeout=20) == list(range(5))
    no_retry = flowq.Retry(attempts=3, wait=0.01, retry_on=ValueError)
    result: Any = nodes.FailsTwice(retry=no_retry, on_error="collect").submit(range(2)).result(timeout=20)
    assert [type(error) for error in result.errors.values()] == [Refused, Refused]
    assert [one.attempts for one in result.items] == [1, 1]


def test_classes_travel_as_items_and_results(cluster: flowq.LocalCluster) -> None:
    classes = [Point, Refused, ValueError, flowq.ItemTimeout]
    assert nodes.Echo().submit(classes).result(timeout=20) == classes
