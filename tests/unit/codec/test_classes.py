"""Instances of registered classes: rebuilt as they were, without a constructor; refused where a part would be lost."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Generic, NamedTuple, TypeVar

import ormsgpack
import pydantic
import pytest

import flowq
from flowq import registry
from flowq.codec import dumps, loads, tags
from flowq.codec.envelope import seal
from flowq.codec.pack import pack
from flowq.errors import DecodeError, EncodeError
from tests.unit.codec.shapes import Colour, Document, Level, Loose, Pair, Point, Right, User, identical

T = TypeVar("T")


def test_a_dataclass_comes_back_without_post_init() -> None:
    document = Document("a", (1, {2: Point(3)}))
    document.seen = 7
    back = loads(dumps(document))
    assert identical(back, document)
    assert back.name == "a!"


def test_a_frozen_dataclass_with_slots_is_a_key() -> None:
    assert loads(dumps({Point(1): {Point((1, 2))}})) == {Point(1): {Point((1, 2))}}


def test_a_cached_property_is_computed_again() -> None:
    document = Document("a", None)
    assert document.size == 2
    assert "size" not in vars(loads(dumps(document)))


def test_a_parametrised_dataclass_travels() -> None:
    assert loads(dumps(Box[int](3))) == Box(3)


@registry.register
@dataclasses.dataclass
class Box(Generic[T]):
    content: T


def test_an_attribute_that_is_no_field_is_refused() -> None:
    document: Any = Document("a", None)
    document.lock = 1
    with pytest.raises(EncodeError, match="holds 'lock', which is not a field"):
        dumps(document)


def test_a_slot_of_a_base_that_is_no_field_is_refused_once_it_is_set() -> None:
    value: Any = Slotted(1)
    assert loads(dumps(value)) == value
    value.beside = 2
    with pytest.raises(EncodeError, match="holds 'beside', which is not a field"):
        dumps(value)


class Beside:
    __slots__ = ("beside",)

    beside: int


@registry.register
@dataclasses.dataclass(slots=True)
class Slotted(Beside):
    content: int


def test_a_generic_model_travels_once_it_is_registered_with_its_parameters() -> None:
    with pytest.raises(EncodeError, match=r"write `flowq.register\(Page\[str\]\)` at the top level of a module"):
        dumps(Page[str](items=["a"]))
    back = loads(dumps(Page[int](items=[1])))
    assert type(back) is Page[int]
    assert back == Page[int](items=[1])


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]


registry.register(Page[int])


def test_a_field_that_was_never_set_is_refused() -> None:
    with pytest.raises(EncodeError, match="the field 'x' of Point was never set"):
        dumps(object.__new__(Point))


def test_an_enum_comes_back_as_its_member() -> None:
    assert loads(dumps(Colour.CRIMSON)) is Colour.RED
    assert loads(dumps([Level.LOW, 1])) == [Level.LOW, 1]
    assert type(loads(dumps(Level.LOW))) is Level
    assert loads(dumps(Right.READ | Right.RUN)) == Right.READ | Right.RUN


def test_a_named_tuple_comes_back_as_itself() -> None:
    back = loads(dumps(Pair(1, (2,))))
    assert type(back) is Pair
    assert back == Pair(1, (2,))


def test_a_model_comes_back_without_validators_and_with_what_was_set() -> None:
    user = User(user_name="a", tags=[(1,), {2}], boss=User(user_name="b"))
    user._token = 5
    back = loads(dumps(user))
    assert back == user
    assert back.name == "a!"
    assert back.model_fields_set == {"name", "tags", "boss"}
    assert back.boss is not None
    assert back.boss.model_fields_set == {"name"}
    assert (back._token, back.boss._token) == (5, 0)
    assert type(back.tags[0]) is tuple


def test_extra_fields_of_a_model_travel() -> None:
    back = loads(dumps(Loose(a=2, b=(3,))))  # type: ignore[call-arg]
    assert back.model_extra == {"b": (3,)}
    assert loads(dumps(Loose())) == Loose()
    back.later = 1
    assert back.model_extra == {"b": (3,), "later": 1}


def test_a_model_that_was_mutated_past_its_types_comes_back_as_it_is() -> None:
    user = User(user_name="a")
    user.tags = "not a list"  # type: ignore[assignment]
    assert loads(dumps(user)).tags == "not a list"


class Unregistered(NamedTuple):
    x: int


@dataclasses.dataclass
class Forgotten:
    x: int


class Mode(enum.Enum):
    ON = 1


class Quiet(pydantic.BaseModel):
    x: int = 1


@pytest.mark.parametrize("value", [Unregistered(1), Forgotten(1), Mode.ON, Quiet()], ids=lambda one: type(one).__name__)
def test_an_unregistered_class_is_named_with_what_to_do(value: Any) -> None:
    with pytest.raises(
        EncodeError, match=rf"the class .*:{type(value).__name__} is not registered; put @flowq.register"
    ):
        dumps(value)


def test_register_below_a_dataclass_with_slots_is_explained() -> None:
    @dataclasses.dataclass(slots=True)
    @registry.register
    class Inside:
        x: int

    with pytest.raises(EncodeError, match="another class is registered as"):
        dumps(Inside(1))


def test_a_registered_class_of_no_known_kind_is_refused() -> None:
    @registry.register
    class Plain:
        pass

    with pytest.raises(EncodeError, match="is registered, but it is neither a dataclass"):
        dumps(Plain())


def test_a_dataclass_that_is_also_a_dict_is_refused() -> None:
    @registry.register
    @dataclasses.dataclass
    class Both(dict):  # type: ignore[type-arg]
        x: int

    with pytest.raises(EncodeError):
        dumps(Both(1))


def test_an_older_or_newer_dataclass_is_refused_with_the_fields_by_name() -> None:
    def point(*fields: str) -> type:
        made = dataclasses.make_dataclass("Skewed", fields)
        made.__module__ = __name__
        return registry.register(made)

    data = dumps(point("x", "old")(1, 2))
    point("x", "new")
    with pytest.raises(DecodeError, match=r"lacks the fields \['new'\] and has the unknown ones \['old'\]"):
        loads(data)


def test_a_member_that_an_older_enum_lacks_is_refused() -> None:
    def shade(*members: str) -> Any:
        made: Any = enum.Enum("Shade", members, module=__name__)  # type: ignore[misc]
        return registry.register(made)

    data = dumps(shade("DARK", "LIGHT").LIGHT)
    shade("DARK")
    with pytest.raises(DecodeError, match="has no member 'LIGHT'"):
        loads(data)


@flowq.register
@dataclasses.dataclass
class Defaulted:
    x: int
    y: int = 0


RETRY = flowq.Retry(3, wait=1, give_up_on=KeyError)
POLICY = flowq.BatchPolicy(
    retry=RETRY, rate=flowq.Rate(5), breaker=flowq.Breaker(2), cache=flowq.Cache(9), on_error="skip", max_failures=0.5,
    deadline=3, concurrency=4, in_flight=7, chunk_size=3, priority=2, queue="gpu", retention_s=50,
)  # fmt: skip


def written(value: Any, *, without: tuple[str, ...] = (), more: dict[str, Any] | None = None) -> bytes:
    """*value* as a release writes it whose class lacks some fields, and has others."""
    is_model = isinstance(value, pydantic.BaseModel)
    all_fields = vars(value) if is_model else {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    fields = {name: one for name, one in all_fields.items() if name not in without} | (more or {})
    given = [sorted(value.model_fields_set - set(without)), None, None] if is_model else []
    tag = tags.MODEL if is_model else tags.DATACLASS
    return seal(ormsgpack.packb(ormsgpack.Ext(tag, pack([registry.class_name(type(value)), fields, *given]))))


@pytest.mark.parametrize(
    ("value", "without", "found"),
    [
        (RETRY, ("retry_on", "max_wait"), RETRY),
        (POLICY, ("max_items", "sink"), POLICY),
        (POLICY, ("priority",), flowq.BatchPolicy(**{**vars(POLICY), "priority": None})),
        (flowq.BatchPolicy(on_error="skip"), ("cache",), flowq.BatchPolicy(on_error="skip")),
        (flowq.Outcome(3, "ok", 1), ("input", "key"), flowq.Outcome(3, "ok", 1)),
    ],
)
def test_what_a_release_of_flowq_with_fewer_fields_has_written_is_read_with_their_defaults(
    value: Any, without: tuple[str, ...], found: Any
) -> None:
    back = loads(written(value, without=without))
    assert (type(back), back) == (type(found), found)
    if isinstance(value, flowq.BatchPolicy):
        assert back.model_fields_set == value.model_fields_set - set(without)


@pytest.mark.parametrize("value", [flowq.Retry(), flowq.BatchPolicy(), Defaulted(1)])
def test_what_a_release_with_more_fields_has_written_is_refused(value: Any) -> None:
    with pytest.raises(DecodeError, match=r"has the unknown ones .'tomorrow'.; is one side older than the other"):
        loads(written(value, more={"tomorrow": 1}))


@pytest.mark.parametrize(("value", "lacked"), [(flowq.Outcome(3, "ok", 1), "index"), (Defaulted(1), "y")])
def test_a_field_without_a_default_is_not_made_up_nor_one_of_a_users_class(value: Any, lacked: str) -> None:
    with pytest.raises(DecodeError, match=f"lacks the fields .'{lacked}'. .* is one side older than the other"):
        loads(written(value, without=(lacked,)))
