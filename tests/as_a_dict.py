"""What people do with a dict, each in a function of its own; and nodes that do it with their store, for workers."""

from __future__ import annotations

import collections
import copy
import json
import pickle
import string
from collections.abc import Callable
from operator import eq, mod, ne
from typing import Any

from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict

import flowq

STORE: dict[str, Any] = {"t": "hi", "b": [1, 2], "n": {"x": 1, "l": [1]}, "a": 1}


class Model(BaseModel):
    a: int
    b: list[int]


class Row(TypedDict):
    a: int
    t: str


def _named(**named: Any) -> list[str]:
    return list(named)


def _matched(store: Any) -> Any:
    match store:
        case {"a": value, **rest}:
            return value, rest
    return None


def _matched_class(store: Any) -> bool:
    match store:
        case dict():
            return True
    return False


def _united_in_place(store: Any) -> Any:
    same = store
    store |= {"z": 1, "a": 2}
    store |= [("y", 3)]
    return same is store, dict(store)


def _copied(copied: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def use(store: Any) -> Any:
        twin = copied(store)
        twin["z"] = 1
        twin["n"]["l"].append(2)
        return type(twin), twin, dict(store)

    return use


def _appended(store: Any) -> Any:
    store.setdefault("x", []).append(1)
    store.setdefault("x", []).append(2)
    store["n"]["l"].append(3)
    store["b"] += [3]
    return dict(store)


def _emptied(store: Any) -> Any:
    popped = store.popitem(), store.pop("b"), store.pop("z", None)
    store.clear()
    return popped, json.dumps(store), bool(store), store == {}, dict(store)


def _removed(store: Any) -> Any:
    del store["b"]
    store["z"], store["b"] = 0, 1
    try:
        del store["nobody"]
    except KeyError as error:
        return list(store), list(reversed(store)), "b" in store, store.get("nobody", "none"), error.args
    return None


def _changed(store: Any) -> str:
    del store["t"]
    store["b"].append(3)
    store["z"] = {"new": [1]}
    return json.dumps(store)


def _updated(store: Any) -> Any:
    taken: dict[str, Any] = {"t": 0, "q": 0}
    taken.update(store)
    taken |= store
    return taken


USES: dict[str, Callable[[Any], Any]] = {
    "json.dumps": json.dumps,
    "json.dumps, indented": lambda store: json.dumps(store, indent=1, sort_keys=True),
    "json.dumps, inside another": lambda store: json.dumps({"all": [store]}),
    "json.dumps, of a value": lambda store: json.dumps(store["n"]),
    "json.dumps, changed": _changed,
    "store | dict": lambda store: (type(store | {"q": 1}), store | {"q": 1}),
    "dict | store": lambda store: (type({"q": 1} | store), {"q": 1} | store),
    "store | store": lambda store: store | store,
    "store |= dict": _united_in_place,
    "dict |= store": _updated,
    "copy.copy": _copied(copy.copy),
    "copy.deepcopy": _copied(copy.deepcopy),
    ".copy()": _copied(lambda store: store.copy()),
    "pickle": _copied(lambda store: pickle.loads(pickle.dumps(store))),
    "pickle, every protocol": lambda store: [pickle.loads(pickle.dumps(store, n)) for n in range(6)],
    "isinstance": lambda store: (isinstance(store, dict), isinstance(store, collections.abc.MutableMapping)),
    "a model": lambda store: Model.model_validate(store).model_dump(),
    "a TypedDict": lambda store: TypeAdapter(Row).validate_python(store),
    "a dict in a model": lambda store: TypeAdapter(dict[str, Any]).validate_python(store, strict=True),
    "match": _matched,
    "match dict()": _matched_class,
    "dict()": dict,
    "{**store}": lambda store: {"q": 1, **store, "a": 2},
    "f(**store)": lambda store: _named(**store),
    "dict(**store)": lambda store: dict(**store, q=1),
    "==": lambda store: [
        compare(*pair) for compare in (eq, ne) for pair in ((store, STORE), (STORE, store), (store, {}))
    ],
    "repr": lambda store: (repr(store), str(store), f"{store}"),
    "sorted": lambda store: (sorted(store), list(store), [*reversed(store)], len(store), set(store) == {*STORE}),
    "items": lambda store: (list(store.items()), list(store.values()), list(store.keys())),
    "keys": lambda store: (store.keys() & {"a", "q"}, sorted(store.keys() | {"q"}), store.keys() == STORE.keys()),
    "Template": lambda store: string.Template("$a $t").substitute(store),
    "format_map": lambda store: ("{a} {n[x]}".format_map(store), mod("%(t)s", store)),
    "OrderedDict": lambda store: (collections.OrderedDict(store), collections.defaultdict(int, store)),
    "ChainMap": lambda store: dict(collections.ChainMap({"q": 1}, store)),
    "fromkeys": lambda store: type(store).fromkeys(["a"], 1),
    "eval": lambda store: eval("[a for _ in b]", {**store}) + eval("[a]", {}, store),
    "changes in place": _appended,
    "popitem, pop, clear": _emptied,
    "del": _removed,
}


class Uses(flowq.Node[Any, None]):
    """Does what its params name with its store; what came of it and what is left is in key "left"."""

    def post(self, shared: Any, prep_res: Any, exec_res: None) -> None:
        came = repr(USES[self.params["use"]](shared))
        shared["left"] = came, repr({key: value for key, value in shared.items() if key != "__builtins__"})


class UsesOfItems(flowq.BatchFlow):
    """Each use, over a store of its own; what came of it and what was left in key "left" of the result."""

    def __init__(self) -> None:
        super().__init__(Uses(), collect="left", merge="last")

    def prep(self, shared: Any) -> list[dict[str, str]]:
        return [{"use": use} for use in USES]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared.clear()
        shared["all"] = list(exec_res)


class ReadsOne(flowq.Node[Any, None]):
    """Looks at its whole store in every way that needs no values, and reads the value of one key."""

    def post(self, shared: Any, prep_res: Any, exec_res: None) -> None:
        assert isinstance(shared, dict)
        seen = [*shared], sorted(shared), len(shared), "big 0" in shared, shared.keys() - {"small"}, [*reversed(shared)]
        shared.pop("absent", None)
        del shared["big 1"]
        shared["small"] += len(seen)
