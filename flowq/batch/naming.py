"""How the id of a batch or of a run is made, here and on workers. Never what a message may name: see engine/ids.py."""

from __future__ import annotations

import hashlib
import re
import uuid

from flowq.core.given import require_text


def new_batch_id(label: str, key: str | None = None) -> str:
    """A readable, unique id; the same for the same label and key.

    Raises:
        TypeError: one of them is no text: of other values it is not said when they are the same.
        ValueError: one of them cannot be written as UTF-8.
    """
    for what, given in (("label", label), ("key", "" if key is None else key)):
        require_text(f"the {what} of a batch or run", given, f": give {what}=str(…)")
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40] or "batch"
    if key is None:
        return f"{slug}-{uuid.uuid4().hex[:10]}"
    return f"{slug}-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}"
