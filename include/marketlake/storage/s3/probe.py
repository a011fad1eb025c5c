"""Whether an object store keeps to the conditions of a write. Lists of those that do were wrong before: it is tried."""

from __future__ import annotations

import logging
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from marketlake.errors import StoreRefused
from marketlake.lake_root import Bucket
from marketlake.storage.s3.objects import ConditionRefused, Objects

PROBE = ".probe"
_KEY = f"{PROBE}/conditional-writes"
_RACERS = 8
_log = logging.getLogger(__name__)
_seen: set[tuple[int, str, str]] = set()


def require_conditional_writes(objects: Objects, root: Bucket) -> None:
    """Raise StoreRefused if two writers could undo each other there, or nothing can be written; once a process.

    Nothing need be deleted for it: it leaves one small object, under ``.probe/`` of the root.
    """
    proven = os.getpid(), str(objects.options.endpoint_url), str(root)
    if proven in _seen:
        return
    key = f"{root.prefix}/{_KEY}" if root.prefix else _KEY
    objects.require_bucket(key.removesuffix(_KEY))
    if objects.options.conditional:
        _probe(objects, key, root)
    else:
        objects.put(key, b"one machine")
        _log.warning(
            "%s is written by this machine alone, as storage.conditional_writes = one_machine says: a second one could"
            " undo what this one publishes, without an error.",
            root,
        )
    _seen.add(proven)


def _probe(objects: Objects, key: str, root: Bucket) -> None:
    with suppress(ConditionRefused):
        objects.put(key, b"there", IfNoneMatch="*")
    if _writes(objects, key, IfNoneMatch="*") or _writes(objects, key, IfMatch=f'"{secrets.token_hex(16)}"'):
        raise _overwrites(root)
    there = objects.get(key)
    version = there.version if there else ""
    with ThreadPoolExecutor(_RACERS) as racers:
        won = list(racers.map(lambda _: _writes(objects, key, IfMatch=version), range(_RACERS)))
    if sum(won) > 1:
        raise _overwrites(root)


def _writes(objects: Objects, key: str, **condition: str) -> bool:
    """Whether something else is written there on that condition."""
    try:
        objects.put(key, secrets.token_bytes(16), **condition)
    except ConditionRefused:
        return False
    return True


def _overwrites(root: Bucket) -> StoreRefused:
    return StoreRefused(
        f"{root} is overwritten in spite of If-None-Match or If-Match: two tasks on one date could undo each other. Use"
        " a store with conditional writes, or set storage.conditional_writes: one_machine if only one machine ever"
        " writes there."
    )
