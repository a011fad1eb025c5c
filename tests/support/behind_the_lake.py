"""A lake's objects as somebody sees and changes them who knows nothing of it, in a folder or in a bucket."""

from __future__ import annotations

import os
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from marketlake.lake import Lake
from marketlake.lake_root import Bucket
from object_store import ADMIN, client_of


def keys_of(lake: Lake) -> set[str]:
    """Every key, without locks, ``lake.json`` and what the probe left; the digest in the name of raw pages as ``*``."""
    return {re.sub(r"pages-[0-9a-f]{12}\.tar$", "pages-*.tar", key) for key in versions_of(lake)} - {"lake.json"}


def versions_of(lake: Lake) -> dict[str, object]:
    """Of each key, what is another once it has been written again: a time, or time and ETag."""
    root = lake.settings.storage_root
    if isinstance(root, Bucket):
        pages = _client(lake).get_paginator("list_objects_v2").paginate(Bucket=root.name, Prefix=f"{root.prefix}/")
        listed = [one for page in pages for one in page.get("Contents", ())]
        found = {one["Key"]: (one["LastModified"], one["ETag"]) for one in listed}
        keys = {key.removeprefix(f"{root.prefix}/"): version for key, version in found.items()}
        return {key: version for key, version in keys.items() if not key.startswith(".probe/")}
    paths = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in paths}


def bytes_of(lake: Lake, key: str) -> bytes:
    """What lies under a key, which is there."""
    root = lake.settings.storage_root
    if isinstance(root, Bucket):
        return bytes(_client(lake).get_object(Bucket=root.name, Key=f"{root.prefix}/{key}")["Body"].read())
    return (root / key).read_bytes()


def write(lake: Lake, key: str, data: bytes) -> None:
    """Put bytes under a key, whatever is there."""
    root = lake.settings.storage_root
    if isinstance(root, Bucket):
        _client(lake).put_object(Bucket=root.name, Key=f"{root.prefix}/{key}", Body=data)
    else:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)


def remove(lake: Lake, key: str) -> None:
    """Delete what lies under a key, or all below a folder."""
    root = lake.settings.storage_root
    if isinstance(root, Bucket):
        for one in versions_of(lake):
            if one == key or one.startswith(f"{key}/"):
                _client(lake).delete_object(Bucket=root.name, Key=f"{root.prefix}/{one}")
    elif (root / key).is_dir():
        shutil.rmtree(root / key)
    else:
        (root / key).unlink()


def move(lake: Lake, key: str, target: str) -> None:
    """Give what lies under a key, or all below a folder, another name."""
    below = [one for one in versions_of(lake) if one == key or one.startswith(f"{key}/")]
    for one in below:
        write(lake, target + one.removeprefix(key), bytes_of(lake, one))
    remove(lake, key)


def flip(lake: Lake, key: str, at: int = 200) -> bytes:
    """Turn a byte of what lies under a key into another; what lies there then."""
    damaged = bytearray(bytes_of(lake, key))
    damaged[at] ^= 0xFF
    write(lake, key, bytes(damaged))
    return bytes(damaged)


def make_folder(lake: Lake, key: str) -> None:
    """A folder without files; in a bucket an object with a slash at its end, as consoles make one."""
    root = lake.settings.storage_root
    if isinstance(root, Bucket):
        write(lake, f"{key}/", b"")
    else:
        (root / key).mkdir()


def fill(lake: Lake, folder: Path, *, below: str = "") -> None:
    """Let the lake hold, below a prefix, what a folder holds."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    for path in paths:
        write(lake, f"{below}{path.relative_to(folder)}", path.read_bytes())


def _client(lake: Lake) -> Any:
    return _client_at(str(lake.settings.storage.endpoint_url), os.getpid())


@lru_cache(maxsize=8)
def _client_at(url: str, _: int) -> Any:
    return client_of(url, ADMIN)
