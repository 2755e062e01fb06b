"""For the site's reference: what docstrings write as ``:class:`~flowq.core.node.Node` `` is read as ``Node``."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`~?(?:[\w.]*\.)?(\w+)`")


class Roles(griffe.Extension):
    """Rewrites the roles of Sphinx in docstrings as they are loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
