"""``MODULE:FLOW``: finds the flow or node for a command to run or draw. Never runs it."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowq.cli.group import Mistake
from flowq.cli.place import import_from_here
from flowq.core.node import Node
from flowq.portable import format_traceback


def load(target: str) -> Node[Any, Any]:
    """The flow or node that *target* names, or that the function it names returns.

    ``module:name``; ``module`` alone is its ``flow``, or the only flow in it. A path such as ``jobs/prices.py:flow`` is
    read as ``jobs.prices:flow``. The function takes no arguments.

    Raises:
        Mistake: it cannot be found, or is something else.
    """
    module, name = _imported(module_of(target)), target.partition(":")[2]
    found = _attribute(module, name, target) if name else _only_flow(module)
    if callable(found) and not isinstance(found, Node):
        found = _made(found, target)
    if not isinstance(found, Node):
        raise Mistake(f"{target} is {type(found).__name__}, and neither a flow nor a node. {_candidates(module)}")
    return found


def module_of(target: str) -> str:
    """The name of the module in ``module:name`` or ``path/of/module.py:name``."""
    module_name = target.partition(":")[0]
    return ".".join(Path(module_name).with_suffix("").parts) if module_name.endswith(".py") else module_name


def _made(maker: Callable[[], Any], target: str) -> Any:
    try:
        return maker()
    except TypeError as error:
        raise Mistake(f"{target} is called without arguments to make a flow, and refuses: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Mistake(f"{target} makes no flow:\n{format_traceback(error).rstrip()}") from error


def _imported(name: str) -> Any:
    if not all(name.split(".")):
        raise Mistake(
            f"{name!r} is no name of a module. Give MODULE:FLOW, such as prices:flow for `flow` in prices.py."
        )
    import_from_here()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise Mistake(
                f"there is no module {error.name!r} in {Path.cwd()} or on Python's path. "
                "Give MODULE:FLOW, such as prices:flow for `flow` in prices.py."
            ) from error
        raise Mistake(f"module {name} does not import:\n{format_traceback(error).rstrip()}") from error
    except SyntaxError as error:
        raise Mistake("".join(traceback.format_exception_only(error)).rstrip()) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may as well exit
        raise Mistake(f"module {name} does not import:\n{format_traceback(error).rstrip()}") from error


def _attribute(module: Any, name: str, target: str) -> Any:
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise Mistake(f"there is no {target}. {_candidates(module)}")
        found = getattr(found, part)
    return found


def _only_flow(module: Any) -> Any:
    if isinstance(getattr(module, "flow", None), Node):
        return module.flow
    names = _flows(module)
    if len(names) == 1:
        return getattr(module, names[0])
    raise Mistake(f"say which flow of {module.__name__}: MODULE:FLOW. {_candidates(module)}")


def _flows(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, Node)]


def _candidates(module: Any) -> str:
    names = _flows(module)
    if not names:
        return f"{module.__name__} has no flow or node at its top level, such as `flow = flowq.Flow(start=…)`."
    return f"{module.__name__} has {', '.join(names)}."
