"""Whatever lies below ``processed/`` and is no partition: no reader of the folder should meet it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby

from marketlake.errors import StorageError
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.partitions.layout import PROCESSED, Place, is_of_a_ticker, place_of
from marketlake.partitions.parquet_file import certificate_in
from marketlake.verify.findings import Finding, Kind


def strays(store: DatasetStore, paths: list[str], held: set[Place]) -> Iterator[Finding]:
    """A finding for each file or folder that would have to go. ``paths`` are relative to ``processed/``; ``held``: the
    partitions, of which a stray file may be a second one.
    """
    below = f"{store.spec.prefix}/" if store.spec.prefix else ""
    for odd, within in groupby(sorted(paths, key=_odd_part), key=_odd_part):
        folder, slash, name = odd.rpartition("/")
        place = place_of(folder)
        ticker, session = odd.split("/")[0].upper() if slash else "", place[1] if place else None
        if place and not name:
            kind, detail = Kind.MISSING, "no file can be seen in its folder"
        else:
            kind, what = _what_it_is(store, list(within), held)
            detail = f"{f'{below}{PROCESSED}/{odd}'!a} {what}"
        yield Finding(ticker, session, kind, detail, dataset=store.spec.name)


def _what_it_is(store: DatasetStore, paths: list[str], held: set[Place]) -> tuple[Kind, str]:
    """Of one file, or of the files of one folder; a path that ends with a slash is a folder without any."""
    copied = next((place for path in paths if (place := _place_of_copy(store, path)) in held), None)
    if copied:
        return Kind.DUPLICATE, f"is or has a second file of {copied[0]} {copied[1]}"
    return Kind.STRAY, "is a folder in which no file can be seen" if paths[0].endswith("/") else "is no partition"


def _odd_part(path: str) -> str:
    """The path down to where it first leaves ``{ticker}/date=D/``: what to move to be rid of it."""
    parts = path.split("/")
    depth = 3 if place_of("/".join(parts[:2])) else 2 if is_of_a_ticker(parts[0]) else 1
    return "/".join(parts[:depth])


def _place_of_copy(store: DatasetStore, path: str) -> Place | None:
    """What a stray file holds, if it is of this dataset."""
    where = f"{PROCESSED}/{path}"
    certificate = None
    with suppress(StorageError):  # it is a stray in any case
        file = store.storage.open(where) if store.storage.exists(where) else None
        if file is not None:
            with file:
                certificate = certificate_in(file)
    own = certificate is not None and certificate.dataset == store.spec.name
    return (certificate.ticker, certificate.session) if certificate and own else None
