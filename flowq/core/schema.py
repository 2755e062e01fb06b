"""The schema of a store: a pydantic model's fields, each checked by itself as it is set. Never the store."""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, FunctionType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flowq.core.reducers import Reducer, as_reducer


class Schema:
    """What a model says about the keys of a store. Make it with :func:`schema_of`, which remembers it.

    Fields are checked one by one, types, constraints and ``@field_validator`` included. A ``@model_validator`` needs
    the whole model, which a store in the making is not: leave those out.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model
        self.fields = model.model_fields
        self.closed = model.model_config.get("extra") == "forbid"
        found = {name: _reducer_in(field) for name, field in self.fields.items()}
        self.reducers = {name: reducer for name, reducer in found.items() if reducer is not None}
        # Fields whose validators look at others see the defaults there.
        self._blank = model.model_construct()

    def checked(self, key: str, value: Any) -> Any:
        """*value* as the field *key* has it: validated, and converted where pydantic converts.

        Raises:
            pydantic.ValidationError: it does not fit.
            KeyError: the model forbids extra keys, and *key* is one.
        """
        if key in self.fields:
            checked = self.model.__pydantic_validator__.validate_assignment(self._blank.model_copy(), key, value)
            return vars(checked)[key]
        if self.closed:
            raise KeyError(f"{self.model.__name__}, the schema of the shared store, has no field {key!r}")
        return value

    def defaults(self) -> dict[str, Any]:
        """The fields that have a value from the start, with values nobody else holds."""
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
        # A plain function is one too (Annotated[int, operator.add]); callable objects there belong to pydantic.
        if isinstance(part, Reducer | FunctionType | BuiltinFunctionType):
            return as_reducer(part)
    return None
