"""One file a system. A system is loaded by its name, so that one whose package is not installed hurts no other."""

from __future__ import annotations

from importlib import import_module

from benchmarks.systems.system import CannotRun, System

# How they are called on the command line: module and class.
SYSTEMS = {
    "flowq": ("flowq", "Flowq"),
    "pool": ("pool", "ProcessPool"),
    "gather": ("gather", "Gather"),
    "chord": ("celery_chord", "CeleryChord"),
    "group": ("celery_group", "CeleryGroup"),
    "joblib": ("joblib", "Joblib"),
    "dramatiq": ("dramatiq", "Dramatiq"),
    "huey": ("huey", "Huey"),
    "rq": ("rq", "Rq"),
    "taskiq": ("taskiq", "Taskiq"),
    "dask": ("dask", "Dask"),
    "ray": ("ray", "Ray"),
}


def load(name: str) -> System:
    """A system, not started.

    Raises:
        CannotRun: its package is not installed.
    """
    module, attribute = SYSTEMS[name]
    try:
        system: System = getattr(import_module(f"benchmarks.systems.{module}"), attribute)()
    except ImportError as exc:
        raise CannotRun(f"not installed ({exc})") from exc
    return system
