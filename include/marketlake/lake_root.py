"""Where a lake lies: in a folder of this machine, or in a bucket of an object store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from marketlake.paths import expanded

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")
_NAME = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Bucket:
    """A bucket of an object store that speaks S3, and the prefix in it, without slashes around it; "" for all of it."""

    name: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}" if self.prefix else f"s3://{self.name}"


LakeRoot = Path | Bucket


def last_part(root: LakeRoot) -> str:
    """The name of the folder, or the last part of the prefix; "" of a whole bucket."""
    return root.prefix.rpartition("/")[2] if isinstance(root, Bucket) else root.name


def above(root: LakeRoot) -> LakeRoot:
    """Where that lies in."""
    return Bucket(root.name, root.prefix.rpartition("/")[0]) if isinstance(root, Bucket) else root.parent


def root_of(given: str | Path | Bucket) -> LakeRoot:
    """What ``s3://bucket/prefix`` or a folder's path names; ``~`` is a home.

    Raises ValueError for what is neither. What could hold a secret is not repeated in it.
    """
    if isinstance(given, Bucket):
        return given
    scheme = _SCHEME.match(str(given))
    if scheme is None:
        return expanded(given)
    if isinstance(given, Path):
        raise ValueError("an address such as s3://bucket/prefix is given as a text: a Path takes one of its slashes")
    if scheme[1] != "s3":
        raise ValueError(
            f"begins with {scheme[1]}://, which is not supported: a folder, or s3://bucket/prefix for any store that"
            " speaks S3 (storage.endpoint_url names another than AWS)"
        )
    return _bucket(given.removeprefix("s3:/").removeprefix("/").removesuffix("/"))


def _bucket(address: str) -> Bucket:
    if re.search(r"[@?#]", address):
        raise ValueError(
            "must be s3://bucket/prefix without user, query and fragment: credentials belong in the environment"
        )
    name, _, prefix = address.partition("/")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"names the bucket {name!r}, which none can be called: 3 to 63 small letters, digits, dots and hyphens"
        )
    if prefix and any(part in {"", ".", ".."} for part in prefix.split("/")):
        raise ValueError(f"has the prefix {prefix!r}: none of its parts may be empty, '.' or '..'")
    return Bucket(name, prefix)
