"""Registry of the classes and functions that a message may name. Which exceptions are sent as they are: portable.py.

A name is looked up among the classes that were registered while this process imported its own modules. Nothing here
ever imports a module or builds an object because a message says so. flowq's own classes have names that say nothing of
the module that defines them (`class_name`): releases of flowq that keep them in other files read each other's batches.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, TypeVar

AnyThing = TypeVar("AnyThing", bound=Callable[..., Any])  # to a type checker no function is a FunctionType
AnyList = TypeVar("AnyList", bound=type[Sequence[Any]])
AnyClass = TypeVar("AnyClass", bound=type)

# The permitted default factories of a defaultdict, by their names in messages.
FACTORIES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *(bool, int, float, str, bytes, list, tuple, dict, set, frozenset),
        *(Counter, OrderedDict, deque),
    )
}

# The permitted type codes of an array.array: numbers. 'u' and 'w' are text, whose units depend on the machine.
TYPECODES = frozenset("bBhHiIlLqQfd")

# The modules of flowq by whose names users import what is in them, so that they are part of a class's name.
PACKAGE, ERRORS = "flowq", "flowq.errors"
_NAMED_BY_USERS = ("flowq.compat.", "flowq.demo.")

# Follows the name of a function in a list of what a process knows: a node made of a function has that function's name.
CALLED = "()"

# Classes whose instances are sent as plain lists; see `sent_as_list`.
LISTS: set[type] = {list}
# Classes whose instances are sent by `to_plain`; see `sent_in_parts`.
IN_PARTS: set[type] = set()


class Registry:
    """Classes and functions by name. One that is defined again (a reload, a notebook) replaces the older one."""

    __slots__ = ("_classes", "_functions", "_renamed")

    def __init__(self) -> None:
        self._classes: dict[str, type] = {}
        self._functions: dict[str, FunctionType] = {}
        # In a process that multiprocessing has spawned, the program that runs is loaded under this name.
        self._renamed: dict[str, str] = {"__mp_main__": "__main__"}

    def add(self, cls: type) -> None:
        self._classes[class_name(cls)] = cls

    def add_function(self, fn: FunctionType) -> None:
        self._functions[class_name(fn)] = fn

    def function(self, name: str) -> FunctionType:
        try:
            return self._functions[name]
        except KeyError:
            return self._functions[current_name(name)]

    def get(self, name: str) -> type:
        try:
            return self._classes[name]
        except KeyError:  # the name of one of flowq's own by an earlier release
            return self._classes[current_name(name)]

    def knows(self, name: str) -> bool:
        return any(one in self._classes or one in self._functions for one in (name, current_name(name)))

    def of(self, base: type) -> list[str]:
        return sorted(name for name, cls in self._classes.items() if issubclass(cls, base))

    def in_module(self, module: str) -> list[str]:
        names = (*self._classes, *(f"{name}{CALLED}" for name in self._functions))
        return sorted(name for name in names if name.startswith(f"{module}:"))

    def renamed(self, module: str) -> str:
        return self._renamed.get(module, module)

    def rename(self, module: str, new: str) -> None:
        self._renamed[module] = new
        _homes.pop(module, None)
        for name, cls in list(self._classes.items()):
            if cls.__module__ == module:
                del self._classes[name]
                cls.__module__ = new
                self.add(cls)
        for name, fn in list(self._functions.items()):
            if fn.__module__ == module:
                del self._functions[name]
                fn.__module__ = new
                self.add_function(fn)

    def holds_function(self, fn: FunctionType) -> bool:
        return self._functions.get(class_name(fn)) is fn

    def name_of(self, cls: type) -> str | None:
        name = class_name(cls)
        return name if self._classes.get(name) is cls else None


_registry = Registry()


def register(thing: AnyThing) -> AnyThing:
    """Let messages name *thing*: a function, a dataclass, Enum, named tuple, pydantic model, exception or Node class.

    Use it as a decorator, above ``@dataclass`` (``@dataclass(slots=True)`` makes a new class). Both the sending and the
    receiving process must import the module. A function is sent as an argument of a node, such as ``key=``.

    Raises:
        TypeError: *thing* is neither a class nor a function, or is a lambda, which has no name.
    """
    if isinstance(thing, FunctionType) and thing.__name__ != "<lambda>":
        _registry.add_function(thing)
    elif isinstance(thing, type):
        _registry.add(thing)
    else:
        what = "a lambda" if isinstance(thing, FunctionType) else type(thing).__name__
        raise TypeError(f"@flowq.register takes a class or a named function, not {what}")
    return thing


def sent_as_list(cls: AnyList) -> AnyList:
    """Let messages carry instances of *cls* as plain lists of their elements; their other attributes are not sent."""
    LISTS.add(cls)
    return cls


def sent_in_parts(cls: AnyClass) -> AnyClass:
    """Let messages carry instances of *cls*, a class of flowq: encoded by ``to_plain``, and decoded by ``from_plain``,
    which must validate its argument.
    """
    IN_PARTS.add(cls)
    return register(cls)


class _Homes(dict[str, str]):
    """Module → what stands for it in names. Each is worked out once, as a name is spelled for every object sent."""

    def __missing__(self, module: str) -> str:
        self[module] = home = _home(_registry.renamed(module))
        return home


_homes = _Homes()


def _home(module: str) -> str:
    if not str(module).startswith(f"{PACKAGE}.") or module.startswith(_NAMED_BY_USERS):
        return module
    return ERRORS if f"{module}.".startswith(f"{ERRORS}.") else PACKAGE


def class_name(cls: type | FunctionType) -> str:
    """The name of a class or a function in all that is sent or stored: ``module:QualName``.

    For ``module`` one of flowq's own has ``flowq``, or ``flowq.errors``, in whatever file of flowq it is defined. (What
    is in ``flowq.compat`` has the module that users import.)
    """
    return f"{_homes[cls.__module__]}:{cls.__qualname__}"


def current_name(name: str) -> str:
    """The name as `class_name` spells it today. Earlier releases wrote the module of flowq's own classes, too."""
    module, colon, qualname = str(name).partition(":")
    return f"{_home(module)}:{qualname}" if colon else name


def is_of_flowq(name: object) -> bool:
    """Whether this is the name of what ``import flowq`` registers. A process that lacks it has another release."""
    return isinstance(name, str) and current_name(name).startswith((f"{PACKAGE}:", f"{ERRORS}:"))


def registered(name: str) -> type:
    """The class registered as *name* (``module:QualName``). Never imports.

    Raises:
        KeyError: no class was registered under this name in this process.
    """
    return _registry.get(name)


def registered_function(name: str) -> FunctionType:
    """The function registered as *name* (``module:QualName``). Never imports.

    Raises:
        KeyError: no function was registered under this name in this process.
    """
    return _registry.function(name)


def is_known_name(name: str) -> bool:
    """Whether a class or a function of this name (``module:QualName``) was registered in this process."""
    return _registry.knows(name)


def is_registered_function(fn: object) -> bool:
    """Whether *fn* itself is registered, not another function of the same name."""
    return isinstance(fn, FunctionType) and _registry.holds_function(fn)


def registered_names(base: type) -> list[str]:
    """The names of the registered subclasses of *base*, sorted."""
    return _registry.of(base)


def names_in(module: str) -> list[str]:
    """The names of the registered classes of *module* and, followed by `CALLED`, of its functions; sorted."""
    return _registry.in_module(module)


def rename_module(module: str, new: str) -> None:
    """Rename the classes and functions of *module* to *new*, for a script that was loaded under another name."""
    _registry.rename(module, new)


def is_registered(cls: type) -> bool:
    """Whether *cls* itself is registered, not another class of the same name."""
    return _registry.name_of(cls) is not None


def registered_name(cls: type) -> str | None:
    """The name of *cls*, if it is itself registered, and not another class of the same name."""
    return _registry.name_of(cls)


def module_of(cls: type) -> str:
    """The module that messages name for *cls*; see `rename_module`."""
    return _registry.renamed(cls.__module__)
