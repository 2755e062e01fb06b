"""One file a system. A system is loaded by its name, so that one whose package is not installed hurts no other."""

from __future__ import annotations

from importlib import import_module, metadata

from benchmarks.systems.system import CannotRun, System
from flowq import __version__

# How they are called on the command line: module, class, and the distribution whose version is told.
SYSTEMS = {
    "flowq": ("flowq", "Flowq", None),
    "pool": ("pool", "ProcessPool", None),
    "gather": ("gather", "Gather", None),
    "redis": ("redis_bytes", "RedisBytes", "redis"),
    "chord": ("celery_chord", "CeleryChord", "celery"),
    "group": ("celery_group", "CeleryGroup", "celery"),
    "joblib": ("joblib", "Joblib", "joblib"),
    "pocketflow": ("pocketflow", "PocketFlow", "pocketflow"),
    "dramatiq": ("dramatiq", "Dramatiq", "dramatiq"),
    "huey": ("huey", "Huey", "huey"),
    "rq": ("rq", "Rq", "rq"),
    "taskiq": ("taskiq", "Taskiq", "taskiq"),
    "dask": ("dask", "Dask", "distributed"),
    "ray": ("ray", "Ray", "ray"),
}
# Short of the extra `peers`: flowq itself, what the machine allows, and plain Celery.
WITHOUT_EXTRA = ("flowq", "pool", "gather", "redis", "chord", "group")
EXTRA = tuple(name for name in SYSTEMS if name not in WITHOUT_EXTRA)


def kind(name: str) -> type[System]:
    """The class of a system.

    Raises:
        CannotRun: its package is not installed.
    """
    module, attribute, _ = SYSTEMS[name]
    try:
        found: type[System] = getattr(import_module(f"benchmarks.systems.{module}"), attribute)
    except ImportError as exc:
        raise CannotRun(f"not installed ({exc})") from exc
    return found


def version_of(name: str) -> str:
    """The version of its package, or ``""``: it has none of its own, or is not installed."""
    if name == "flowq":
        # From a checkout, which need not be installed.
        return __version__
    distribution = SYSTEMS[name][2]
    try:
        return "" if distribution is None else metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
