"""Schema: validates single values of a store against the fields of a pydantic model."""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, FunctionType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flowq.core.store.reducers import Reducer, as_reducer


class Schema:
    """The fields of a model as validators and reducers of a store's keys. Use :func:`schema_of`, which caches it.

    Fields are validated one at a time, with types, constraints and ``@field_validator``. Do not use
    ``@model_validator``: it needs the whole model, and the store has only some fields while it is filled.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model
        self.fields = model.model_fields
        self.closed = model.model_config.get("extra") == "forbid"
        found = {name: _reducer_in(field) for name, field in self.fields.items()}
        self.reducers = {name: reducer for name, reducer in found.items() if reducer is not None}
        # Validators that read other fields see their defaults.
        self._blank = model.model_construct()

    def checked(self, key: str, value: Any) -> Any:
        """*value* validated, and possibly converted, by the field *key*.

        Raises:
            pydantic.ValidationError: *value* is not valid.
            KeyError: the model forbids extra keys, and *key* is one.
        """
        if key in self.fields:
            checked = self.model.__pydantic_validator__.validate_assignment(self._blank.model_copy(), key, value)
            return vars(checked)[key]
        if self.closed:
            raise KeyError(f"{self.model.__name__}, the schema of the shared store, has no field {key!r}")
        return value

    def defaults(self) -> dict[str, Any]:
        """The fields that have a default, with new copies of the values."""
        return dict(vars(self.model.model_construct()))


@functools.lru_cache(maxsize=256)
def schema_of(model: type[BaseModel]) -> Schema:
    """The schema that *model* describes.

    Raises:
        TypeError: *model* is not a pydantic model class.
    """
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"a store's schema is a pydantic model class, not {model!r}")
    return Schema(model)


def _reducer_in(field: FieldInfo) -> Reducer | None:
    """The reducer among the parts of ``Annotated[...]``; the last if there are several."""
    for part in reversed(field.metadata):
        # Plain functions count as reducers (Annotated[int, operator.add]); other callables in there are pydantic's.
        if isinstance(part, Reducer | FunctionType | BuiltinFunctionType):
            return as_reducer(part)
    return None
