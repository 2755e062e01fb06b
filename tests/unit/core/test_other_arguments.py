"""A constructor of other arguments, told from one whose body raises a TypeError."""

from __future__ import annotations

from typing import Any

import pytest

from flowq.batch import ParallelBatchNode
from flowq.core.node import Node
from flowq.core.spec.other_arguments import takes_others


class Needs(Node[Any, Any]):
    def __init__(self, first: int, **options: Any) -> None:
        super().__init__(**options)


class PassesOn(Needs):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)


class PassesNamesOn(Needs):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)


class Batch(ParallelBatchNode[Any, Any]):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)


class OfNothing(Node[Any, Any]):
    def __init__(self, size: Any = None) -> None:
        super().__init__()
        self.size = len(size)


class OfAnother(Node[Any, Any]):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.other = Node(1, 2, 3)  # type: ignore[arg-type, call-arg]


class OfWrongValue(Node[Any, Any]):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        raise TypeError("first is a number")


@pytest.mark.parametrize(
    ("cls", "args", "kwargs", "others"),
    [
        (Needs, (), {}, True), (Needs, (1, 2), {}, True), (Needs, (1,), {"further": 2}, True),
        (PassesOn, (), {}, True), (PassesOn, (1, 2), {}, True), (PassesOn, (1,), {"further": 2}, True),
        (PassesNamesOn, (), {}, True), (PassesNamesOn, (), {"first": 1, "further": 2}, True),
        (Batch, (), {"further": 2}, True), (OfNothing, (), {"further": 2}, True),
        (OfNothing, (), {}, False), (OfNothing, (5,), {}, False), (OfAnother, (), {"any": 1}, False),
        (OfWrongValue, (1,), {"first": 2}, False),
    ],
)  # fmt: skip
def test_whose_fault_a_type_error_is(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any], others: bool) -> None:
    with pytest.raises(TypeError) as raised:
        cls(*args, **kwargs)
    # As who called it catches it: from the frame of the call on.
    assert takes_others(cls, kwargs, raised.value) is others
