"""The ids of batches and runs, in this process and on workers. Names allowed in messages are engine/ids.py."""

from __future__ import annotations

import hashlib
import re
import uuid

from flowq.core.given import require_text


def new_batch_id(label: str, key: str | None = None) -> str:
    """A readable, unique id; with a key, the same for the same label and key.

    Raises:
        TypeError: the label or the key is not a str.
        ValueError: the label or the key cannot be encoded as UTF-8.
    """
    for what, given in (("label", label), ("key", "" if key is None else key)):
        require_text(f"the {what} of a batch or run", given, f": give {what}=str(…)")
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40] or "batch"
    if key is None:
        return f"{slug}-{uuid.uuid4().hex[:10]}"
    return f"{slug}-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}"
