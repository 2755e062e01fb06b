"""A newer flowq that has moved its files: all its own classes are defined in other modules.

Importing this makes the process one of its workers.
"""

from __future__ import annotations

from flowq import errors, registry

ELSEWHERE = "flowq.elsewhere.and_deeper"


def own_classes() -> list[type]:
    """All classes that `import flowq` registers, and its errors."""
    registered = [cls for cls in registry._registry._classes.values() if registry.is_of_flowq(registry.class_name(cls))]
    return [
        *registered,
        *(cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)),
    ]


for cls in own_classes():
    is_registered = registry.is_registered(cls)
    if is_registered:
        del registry._registry._classes[registry.class_name(cls)]
    within = registry.ERRORS if cls.__module__ == registry.ERRORS else ELSEWHERE
    cls.__module__ = f"{within}.of_{cls.__name__.lower()}"
    if is_registered:
        registry.register(cls)
