"""The calls by which the store changes the disk, met one by one: to fail, to disturb or to die at each."""

from __future__ import annotations

import errno
import gc
import os
import pathlib
import shutil
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Meet = Callable[[int, str, str], None]
"""What is done just before a call: told its number from 1, its name and its path."""
FREEING = frozenset({"unlink", "rmtree"})
really_remove = shutil.rmtree


@contextmanager
def intercepted(meet: Meet) -> Iterator[list[str]]:
    """Every call of this thread that changes the disk, in order. Bytes are written in two halves, each met."""
    made: list[str] = []
    thread = threading.current_thread()
    within: list[str] = []

    def met(name: str, path: object) -> None:
        if threading.current_thread() is thread and not within:
            made.append(name)
            meet(len(made), name, str(path))

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *arguments: Any, **named: Any) -> Any:
            try:
                met(name, arguments[0] if name in {"replace", "link"} else path)
            except OSError:
                if named.get("ignore_errors"):
                    return None
                raise
            within.append(name)
            try:
                return call(path, *arguments, **named)
            finally:
                within.pop()

        return called

    def write_bytes(self: Path, data: bytes) -> int:
        met("create", self)
        with self.open("wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            met("write", self)
            file.write(data[len(data) // 2 :])
        return len(data)

    with pytest.MonkeyPatch.context() as patched:
        for name in ("mkdir", "open", "fsync", "replace", "link", "unlink"):
            patched.setattr(os, name, watched(name, getattr(os, name)))
        for name in ("rmtree", "copyfile"):
            patched.setattr(shutil, name, watched(name, getattr(shutil, name)))
        patched.setattr(pathlib.Path, "write_bytes", write_bytes)
        yield made


def is_full(at: int) -> Meet:
    """The disk is full from the call of that number on. It still lets go of files."""

    def meet(number: int, name: str, path: str) -> None:
        if number == at or (number > at and name not in FREEING):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    return meet


def is_read_only(folder: Path) -> Meet:
    """Nothing in that folder can be changed, by nobody: not even by root, whom permissions do not bind."""

    def meet(number: int, name: str, path: str) -> None:
        changes = name not in {"open", "fsync"} or path.endswith(".lock")
        if changes and Path(path).is_relative_to(folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    return meet


def disturbs(act: Callable[[], None], at: int) -> Meet:
    """Somebody else does something just before the call of that number."""

    def meet(number: int, name: str, path: str) -> None:
        if number == at:
            act()

    return meet


def vanishes(folder: Path, at: int) -> Meet:
    """A folder is deleted by somebody else just before the call of that number."""
    return disturbs(lambda: really_remove(folder, ignore_errors=True), at)


def dies(at: int) -> Meet:
    """``kill -9`` just before the call of that number."""
    return disturbs(die, at)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def forked(body: Callable[[], int]) -> int:
    """The process id of a child that does this and exits with its number; 99 if it raises."""
    child = os.fork()
    if child:
        return child
    gc.freeze()  # what this process left unused is for it to end: it may belong to threads that a child has not got
    code = 99
    try:
        code = body()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """How a child ended: its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
