"""What any place for bytes is held against: a dict, changed by the same calls in any order."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from marketlake.errors import Overtaken
from marketlake.storage.storage import Seen, Storage

KEYS = st.sampled_from(["a", "a b", "b/c", "b/d", "b/e/f", "é=1/%2F.x"])
BYTES = st.sampled_from([b"", b"1", b"2", b"22", b"\x00" * 5000])


class Model(RuleBasedStateMachine):
    """One place for bytes, empty at first, beside a dict of what it has to hold."""

    seen = Bundle("seen")

    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self.storage = storage
        self.held: dict[str, bytes] = {}

    def writes(self, key: str, data: bytes, *, allowed: bool) -> AbstractContextManager[Any]:
        """Expect that the bytes come to be there, or else Overtaken."""
        if allowed or self.held.get(key) == data:
            self.held[key] = data
            return nullcontext()
        return pytest.raises(Overtaken)

    @rule(target=seen, key=KEYS)
    def read(self, key: str) -> tuple[str, Seen | None]:
        found = self.storage.read(key)
        assert (found.data if found else None) == self.held.get(key)
        return key, found

    @rule(key=KEYS, data=BYTES)
    def put(self, key: str, data: bytes) -> None:
        with self.storage.exclusive("model", 5) as writer, self.writes(key, data, allowed=True):
            writer.put(key, data)

    @rule(key=KEYS, data=BYTES)
    def create(self, key: str, data: bytes) -> None:
        with self.storage.exclusive("model", 5) as writer, self.writes(key, data, allowed=key not in self.held):
            writer.create(key, data)

    @rule(read=seen, data=BYTES)
    def replace(self, read: tuple[str, Seen | None], data: bytes) -> None:
        key, found = read
        if found is not None:
            same = self.held.get(key) == found.data
            with self.storage.exclusive("model", 5) as writer, self.writes(key, data, allowed=same):
                writer.replace(key, data, found)

    @rule(read=seen, kept_key=KEYS)
    def keep(self, read: tuple[str, Seen | None], kept_key: str) -> None:
        key, found = read
        if found is not None:
            absent = kept_key not in self.held
            with self.storage.exclusive("model", 5) as writer, self.writes(kept_key, found.data, allowed=absent):
                writer.keep(key, kept_key, found)

    @invariant()
    def it_holds_what_the_dict_holds(self) -> None:
        assert {key: self.storage.get(key) for key in self.storage.tree("")} == self.held
        assert self.storage.tree("") == sorted(self.held)
        assert self.storage.files("") == sorted(key for key in self.held if "/" not in key)
        assert self.storage.folders("") == sorted({key.split("/")[0] for key in self.held if "/" in key})
        assert list(self.storage.stamps("", "c")) == (["b"] if "b/c" in self.held else [])
        assert self.storage.size_bytes("b/d") == len(self.held.get("b/d", b""))
        assert self.storage.exists("b/e/f") is ("b/e/f" in self.held)
