"""The error for a node that no worker can run, with what to do next. Never asks the workers what they know."""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

from flowq.batch.nodes.batch_node import ParallelBatchNode
from flowq.core.hooks import Hook
from flowq.core.node import Node
from flowq.core.spec.models import FlowSpec
from flowq.errors import UnknownNode
from flowq.registry import CALLED, class_name, is_known_name, is_of_flowq, registered
from flowq.settings import Settings

_MAIN = "__main__:"
_INSIDE = ".<locals>."
_MOST_LOOKED_AT = 200  # an item may be a list of millions, or contain itself


def unknown_node(node: str, missing: Sequence[str], *, queue: str, workers: int) -> UnknownNode | None:
    """The error for a node whose classes *missing* no worker knows; None if a worker that knows them may still start.

    Args:
        node: its name.
        missing: names (``module:QualName``) of its classes and of what `given_of_main` found; at least one.
        queue: the queue it was to be sent to.
        workers: the number of workers on that queue.
    """
    reason = _of_the_program(missing)
    if reason is None and workers:
        reason = f"none of the {workers} workers on queue {queue!r} knows {_of_a_module(missing)}"
    return None if reason is None else UnknownNode(f"node {node}", reason)


def given_of_main(spec: FlowSpec, items: Sequence[Any]) -> set[str]:
    """The registered functions and classes of the program itself (``__main__:…``) among the arguments of the nodes of
    *spec*, and in the first of *items*: most batches have items of one kind.

    A worker may know more of a module than it announces; of the program, it knows nothing that it does not announce.
    """
    values = [value for one in spec.nodes for value in (*one.args, *one.kwargs.values())] + list(items[:1])
    named = itertools.islice(_named_in(values), _MOST_LOOKED_AT)
    return {name for name in named if name.startswith(_MAIN) and is_known_name(name.removesuffix(CALLED))}


def _named_in(values: Iterable[Any]) -> Iterator[str]:
    """The names of the functions and classes among *values* and inside them, outer ones first; see `names_in`."""
    waiting: deque[Iterable[Any]] = deque([values])
    while waiting:
        for value in waiting.popleft():
            if type(value) in (list, tuple, set, frozenset):
                waiting.append(value)
            elif type(value) is dict:
                waiting.append(value.values())
            yield class_name(value) + CALLED if isinstance(value, FunctionType) else class_name(type(value))


def worker_of(queue: str) -> str:
    """The command that starts a worker on *queue*."""
    return "flowq worker" if queue == Settings.model_fields["queue"].default else f"flowq worker --queue {queue}"


def _of_the_program(missing: Sequence[str]) -> str | None:
    names = [name for name in missing if name.startswith(_MAIN)]
    if not names:
        return None
    name = names[0].removesuffix(CALLED)
    what = f"its class {name}" if _is_node(names[0]) else f"what it is given, {name},"
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is None or not Path(main).is_file():
        return (
            f"{what} was typed here (in a notebook, at a prompt, on stdin), and workers cannot import "
            "what was typed here. Write the node into a .py file and import it; the workers are told of that module by "
            '`flowq.LocalCluster(imports=["that_module"])`, or by FLOWQ_IMPORTS=that_module'
        )
    if _INSIDE in name:
        return (
            f"{what} is made inside the function {_maker(name)}(), which workers do not call as they import the "
            "program. Define it at the top of the script (for the workers of a LocalCluster), or of a module that the "
            "workers import (FLOWQ_IMPORTS)"
        )
    if _is_node(names[0]) and _is_made_elsewhere(name):
        return (
            f"{what} does not exist where workers import the program: the node is made of a function, as the program "
            "runs. You can make it at the top of the script (for the workers of a LocalCluster), or of a module that "
            f"the workers import (FLOWQ_IMPORTS){_or_sent_with_its_function(name)}"
        )
    return (
        f"{what} is defined in the program that runs (__main__). Of that the workers of `with flowq.LocalCluster():` "
        'know the top of the script, and nothing under `if __name__ == "__main__":`; others know nothing: move it to a '
        "module, and start them with FLOWQ_IMPORTS=that.module"
    )


def _is_node(name: str) -> bool:
    try:
        return issubclass(registered(name), Node | Hook)
    except KeyError:  # a function
        return False


def _maker(name: str) -> str:
    """The name of the function that makes *name*, ``module:make.<locals>.Made``."""
    return name.partition(":")[2].partition(_INSIDE)[0]


def _of_a_module(missing: Sequence[str]) -> str:
    made = [name for name in missing if "[" in name]
    if made:
        return (
            f"{made[0]}, which is made of a function where the workers do not see it. Make the node at the top of a "
            "module that they import (FLOWQ_IMPORTS), or decorate the function with @flowq.register"
        )
    of_flowq = [name for name in missing if is_of_flowq(name)]
    if of_flowq:
        return (
            f"{', '.join(of_flowq)}, which flowq has here: they run another release of it. Upgrade the workers first, "
            "then the producers (`flowq doctor` shows what each runs)"
        )
    borrowed = [name for name in missing if _is_made_elsewhere(name)]
    if borrowed:
        return (
            f"{borrowed[0]}: the function is of that module, the node was made elsewhere. Make the node at "
            "the top of a module, and have the workers import the module in which this node is made (FLOWQ_IMPORTS, or "
            "`flowq worker --import that.module`)"
        )
    module = missing[0].partition(":")[0]
    inside = [name for name in missing if _INSIDE in name]
    if inside:
        return (
            f"{inside[0]}: it is made inside the function {_maker(inside[0])}(), which workers do not call by "
            f"themselves. Define it at the top of {module}, or call that function there, and start the workers with "
            f"FLOWQ_IMPORTS={module}"
        )
    return (
        f"{', '.join(missing)}. Start them with FLOWQ_IMPORTS={module} (or `flowq worker --import {module}`, or "
        f'`flowq.LocalCluster(imports=["{module}"])`)'
    )


def _is_made_elsewhere(name: str) -> bool:
    """Whether a function's node is not an attribute of that function's module, so that importing it is not enough."""
    try:
        cls = registered(name)
    except KeyError:  # the name of a hook
        return False
    there = vars(sys.modules.get(name.partition(":")[0], object))
    of_function = "__wrapped__" in vars(cls) or "[" in name
    return of_function and not any(isinstance(one, cls) for one in list(there.values()))


def _or_sent_with_its_function(name: str) -> str:
    """The other way, where there is one: a node that is given its function can be made anywhere."""
    sent = "; or decorate the function with @flowq.register"
    if "[" in name:
        return sent
    if issubclass(registered(name), ParallelBatchNode):
        return f"{sent} and make the node with flowq.ParallelBatchNode.of(function)"
    return ""
