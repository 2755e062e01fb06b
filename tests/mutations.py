"""Messages and blobs that went wrong on the way: bits flipped, bytes lost, parts exchanged. Deterministic; no tests."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable
from typing import Any

from flowq.codec import dumps, loads
from flowq.codec.envelope import seal
from flowq.errors import CodecError

Mutation = Callable[[random.Random, dict[str, Any]], "bytes | dict[str, Any]"]

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**53, 2**64, 10**40, 0.1, float("inf"), float("nan"), "", "a", "0:0-1", "\0", "é" * 50,
    "x" * 5000, [], [[]], [None] * 50, {}, {"a": {}}, {"__type__": "bytes", "__value__": "a"}, "os.system",
    "flowq.chunk", "flowq.fold", "flowq.finish", "flowq.unheard_of", "application/json", "base64", "zlib",
)  # fmt: skip


def bytes_altered(rng: random.Random, data: bytes) -> bytes:
    """*data* after one to four accidents."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + rng.choice((1, 2, 10, 1000))]
            case 2:
                changed[at:at] = rng.randbytes(rng.choice((1, 3, 50)))
            case 3:
                del changed[at:]
            case 4:
                changed[at:at] = changed[at : at + rng.choice((2, 30))]
            case _:
                end = at + rng.choice((1, 4))
                changed[at:end] = rng.randbytes(len(changed[at:end]))
    return bytes(changed)


def value_altered(rng: random.Random, value: Any) -> Any:
    """*value* with one of its parts, whatever it lies in, exchanged, lost or doubled."""
    changed = copy.deepcopy(value)
    place, steps = changed, rng.randrange(1, 6)
    while isinstance(place, (dict, list)) and place:
        key: Any = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        steps -= 1
        if steps <= 0 or not isinstance(place[key], (dict, list)) or not place[key]:
            match rng.randrange(4):
                case 0:
                    del place[key]
                case 1 if isinstance(place, list):
                    place.append(copy.deepcopy(place[key]))
                case _:
                    place[key] = copy.deepcopy(rng.choice(ODD))
            return changed
        place = place[key]
    return rng.choice(ODD)


def plain(value: Any) -> Any:
    """*value* with its tuples as lists, so that its parts can be altered."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def blob_altered(rng: random.Random, blob: bytes) -> bytes:
    """An encoded value after an accident: to its bytes, to those inside its envelope, or to what they say."""
    kind = rng.randrange(3)
    if kind == 0:
        return bytes_altered(rng, blob)
    if kind == 1:
        return seal(bytes_altered(rng, blob[4:]))
    try:
        changed = value_altered(rng, plain(loads(blob)))
        return dumps(tuple(changed) if isinstance(changed, list) and rng.random() < 0.7 else changed)
    except CodecError:
        return bytes_altered(rng, blob)


def raw_altered(rng: random.Random, message: dict[str, Any]) -> bytes:
    return bytes_altered(rng, json.dumps(message).encode())


def parts_altered(rng: random.Random, message: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = value_altered(rng, message)
    return changed


def body_altered(rng: random.Random, message: dict[str, Any]) -> dict[str, Any]:
    body = blob_altered(rng, base64.b64decode(message["body"]))
    return {**message, "body": base64.b64encode(body).decode()}


def text_altered(rng: random.Random, message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "body": bytes_altered(rng, message["body"].encode()).decode("latin-1")}


MUTATIONS: tuple[Mutation, ...] = (raw_altered, parts_altered, parts_altered, body_altered, body_altered, text_altered)
