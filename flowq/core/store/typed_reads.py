"""TypedReads: typed getters of a store, such as ``get_int("n")`` and ``bind("user", User)``."""

from __future__ import annotations

import functools
import numbers
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Never, cast

from pydantic import (
    ConfigDict,
    PydanticSchemaGenerationError,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypeVar

from flowq.core.store.reducers import MISSING

T = TypeVar("T")
# Without a default, `int | U` is int.
U = TypeVar("U", default=Never)

_NO_DEFAULT: Any = MISSING


class TypedReads:
    """Mixin: typed getters for a class with ``__getitem__``.

    If a default is given, every getter returns it for a key that is missing or has a value of another type. Without a
    default:

    Raises:
        KeyError: the key is missing; names it.
        TypeError: the value has another type; names the key and the type found.
    """

    __slots__ = ()

    @abstractmethod
    def __getitem__(self, key: str) -> Any: ...

    def get_as(self, key: str, type: type[T], default: U = _NO_DEFAULT) -> T | U:
        """The value of *key* if it is an instance of *type*, also of a generic such as ``list[int]``. No conversion."""
        return self._read(key, lambda value: _strictly(type, value), default, getattr(type, "__name__", str(type)))

    def get_int(self, key: str, default: U = _NO_DEFAULT) -> int | U:
        """A number as an int: 3.7 is 3. No strings, no bools."""
        return self._read(key, lambda value: int(_number(value)), default, "an int")

    def get_float(self, key: str, default: U = _NO_DEFAULT) -> float | U:
        """A number as a float. No strings, no bools."""
        return self._read(key, lambda value: float(_number(value)), default, "a float")

    def get_str(self, key: str, default: U = _NO_DEFAULT) -> str | U:
        """A str. No conversion."""
        return self._read(key, lambda value: _instance(str, value), default, "a str")

    def get_bool(self, key: str, default: U = _NO_DEFAULT) -> bool | U:
        """A bool. Numbers are not accepted."""
        return self._read(key, lambda value: _instance(bool, value), default, "a bool")

    def get_list(self, key: str, default: U = _NO_DEFAULT) -> list[Any] | U:
        """A list: the object in the store, or a new list of any other sequence except str and bytes."""
        return self._read(key, _list, default, "a list")

    def get_dict(self, key: str, default: U = _NO_DEFAULT) -> dict[Any, Any] | U:
        """A dict: the object in the store, or a new dict of any other mapping."""
        return self._read(key, _dict, default, "a dict")

    def get_secret(self, key: str, default: U = _NO_DEFAULT) -> Any | U:
        """The content of a pydantic ``SecretStr``, ``SecretBytes`` or ``Secret``, whose ``repr`` hides it."""
        return self._read(key, _revealed, default, "a secret")

    def bind(self, key: str, model: type[T]) -> T:
        """The value of *key* as a *model*: a pydantic model, a dataclass, a TypedDict, or any type pydantic supports.

        An instance of *model* is returned as it is; anything else is validated and converted.

        Raises:
            KeyError: the key is missing.
            pydantic.ValidationError: the value is not valid.
        """
        value = self[key]
        if isinstance(model, type) and not hasattr(model, "__total__") and isinstance(value, model):
            return value
        return cast(T, _adapter(model).validate_python(value, from_attributes=True))

    def require(self, *keys: str) -> tuple[Any, ...]:
        """The values of *keys*, in this order.

        Raises:
            KeyError: at least one key is missing; names all that are.
        """
        values = tuple(self._get(key) for key in keys)
        missing = [key for key, value in zip(keys, values, strict=True) if value is MISSING]
        if missing:
            raise KeyError(f"the shared store has no {', '.join(repr(key) for key in missing)}")
        return values

    def _get(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            return MISSING

    def _read(self, key: str, convert: Callable[[Any], T], default: U, wanted: str) -> T | U:
        value = self._get(key)
        if value is MISSING:
            if default is MISSING:
                raise KeyError(f"the shared store has no {key!r}")
            return default
        try:
            return convert(value)
        except (TypeError, ValueError, OverflowError):  # int() of a NaN or an infinity raises
            if default is not MISSING:
                return default
        raise TypeError(f"shared[{key!r}] is {type(value).__name__}, not {wanted}")


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, numbers.Real | Decimal):
        raise TypeError
    return value


def _revealed(value: Any) -> Any:
    if not isinstance(value, SecretStr | SecretBytes | Secret):
        raise TypeError
    return value.get_secret_value()


def _instance(cls: type[T], value: Any) -> T:
    if not isinstance(value, cls):
        raise TypeError
    return value


def _list(value: Any) -> list[Any]:
    if isinstance(value, Sequence) and not isinstance(value, list | str | bytes | bytearray | memoryview):
        return list(value)
    return _instance(list, value)


def _dict(value: Any) -> dict[Any, Any]:
    if isinstance(value, Mapping) and not isinstance(value, dict):
        return dict(value)
    return _instance(dict, value)


def _strictly(wanted: Any, value: Any) -> Any:
    if isinstance(wanted, type) and not hasattr(wanted, "__total__"):
        if isinstance(value, bool) and wanted in (int, float):
            raise TypeError
        return _instance(wanted, value)
    try:
        _adapter(wanted).validate_python(value, strict=True)
    except ValidationError as exc:
        raise TypeError from exc
    return value


def _adapter(wanted: Any) -> TypeAdapter[Any]:
    try:
        return _cached_adapter(wanted)
    except TypeError:  # an Annotated[...] with unhashable parts
        return TypeAdapter(wanted)


@functools.lru_cache(maxsize=256)
def _cached_adapter(wanted: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(wanted)
    except PydanticSchemaGenerationError:  # not supported by pydantic: checked with isinstance
        return TypeAdapter(wanted, config=ConfigDict(arbitrary_types_allowed=True))
