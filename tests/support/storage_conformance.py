"""What every place for bytes must do. A test class takes it over and gives the fixture ``storage``, an empty one."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from disk import die, ended
from marketlake.errors import LakeBusy, Overtaken
from marketlake.storage.storage import Seen, Storage, Writer
from racing import BUSY, OVERTAKEN, WON, in_a_process, outcome, raced
from storage_model import Model

LARGE_BYTES = 20_000_000
RACERS = 4
NO_KEYS = ["", "/proc/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b"]
UNUSUAL_KEYS = (
    "date=2024-11-29/part 1.parquet",
    "a+b&c?d#e%2Ff/~!@$^(){}[]'\"`,;:|<>*",
    "back\\slash",
    "é/\u0065\u0301/日本/🙂",
    "a__b",
    "a/b",
    ".hidden/..two/...",
    "-rf",
    "x" * 200,
    "/".join(["y" * 60] * 10),
)


def put(storage: Storage, key: str, data: bytes) -> Seen:
    """Write, and read it back."""
    with storage.exclusive("a lock", 5) as writer:
        writer.put(key, data)
    seen = storage.read(key)
    assert seen is not None
    return seen


def hold(storage: Storage, *keys: str) -> None:
    """Write objects whose bytes are their own keys."""
    with storage.exclusive("a lock", 5) as writer:
        for key in keys:
            writer.put(key, key.encode())


class Extent:
    """How much of it: a place that is far takes as long for a few rounds as a near one for many."""

    rounds = 5
    examples = 15
    unusual_keys = UNUSUAL_KEYS


class Reading(Extent):
    """Bytes and listings."""

    @pytest.mark.parametrize("data", [b"", b"bytes", bytes(range(256)) * 3], ids=["none", "some", "every byte"])
    def test_what_is_put_is_read_back(self, storage: Storage, data: bytes) -> None:
        assert put(storage, "a/key", data).data == data
        assert storage.get("a/key") == data
        assert storage.exists("a/key") is True
        assert storage.size_bytes("a/key") == len(data)

    def test_large_bytes_are_read_back_in_whole_and_in_part(self, storage: Storage) -> None:
        data = random.Random(7).randbytes(LARGE_BYTES)
        assert put(storage, "large", data).data == data
        assert storage.size_bytes("large") == 20_000_000
        file = storage.open("large")
        assert file is not None
        with file:
            assert file.seek(-9, os.SEEK_END) == 19_999_991
            assert file.read() == data[-9:]
            file.seek(12_345_678)
            assert file.read(1000) == data[12_345_678:12_346_678]

    def test_what_is_open_is_read_in_any_order(self, storage: Storage) -> None:
        put(storage, "a/key", b"0123456789")
        file = storage.open("a/key")
        assert file is not None
        with file:
            assert file.seek(-3, os.SEEK_END) == 7
            assert file.read(2) == b"78"
            assert file.tell() == 9
            assert file.read(100) == b"9"
            assert file.read(1) == b""
            file.seek(0)
            assert file.read() == b"0123456789"

    def test_what_is_absent_is_none_nothing_or_empty_and_stays_absent(self, storage: Storage) -> None:
        for key in ("absent", "absent/too"):
            assert storage.read(key) is None
            assert storage.get(key) is None
            assert storage.open(key) is None
            assert storage.exists(key) is False
            assert storage.size_bytes(key) == 0
        for prefix in ("", "absent", "absent/too"):
            assert storage.folders(prefix) == []
            assert storage.stamps(prefix, "key") == {}
            assert storage.files(prefix) == []
            assert storage.tree(prefix) == []

    def test_the_version_is_another_for_other_bytes_and_the_same_while_they_stay(self, storage: Storage) -> None:
        one = put(storage, "a/key", b"one")
        assert storage.read("a/key") == one
        two = put(storage, "a/key", b"two")
        assert two.version != one.version

    def test_a_stamp_says_the_size_and_is_another_once_other_bytes_are_written(self, storage: Storage) -> None:
        put(storage, "t/1/bars", b"one")
        put(storage, "t/2/bars", b"longer")
        before = storage.stamps("t", "bars")
        assert {folder: stamp.size_bytes for folder, stamp in before.items()} == {"1": 3, "2": 6}
        assert storage.stamps("t", "bars") == before
        put(storage, "t/1/bars", b"two")
        after = storage.stamps("t", "bars")
        assert after["1"].version != before["1"].version
        assert after["2"] == before["2"]

    def test_names_are_listed_in_their_order(self, storage: Storage) -> None:
        hold(storage, "t/b", "t/a/x", "t/a-b/x", "t/a.b/x", "t/B/x", "t/a0/x", "t/Z", "t/a/y", "u/x", "ta/x")
        assert storage.folders("t") == ["B", "a", "a-b", "a.b", "a0"]
        assert storage.files("t") == ["Z", "b"]
        assert storage.folders("") == ["t", "ta", "u"]
        assert storage.files("") == []
        assert storage.tree("t") == ["B/x", "Z", "a-b/x", "a.b/x", "a/x", "a/y", "a0/x", "b"]
        assert storage.tree("") == ["t/B/x", "t/Z", "t/a-b/x", "t/a.b/x", "t/a/x", "t/a/y", "t/a0/x", "t/b",
                                    "ta/x", "u/x"]  # fmt: skip

    def test_folders_within_folders_are_listed_level_by_level(self, storage: Storage) -> None:
        hold(storage, "one/two/three/four", "one/two/file", "one/other/file")
        assert storage.folders("one") == ["other", "two"]
        assert storage.files("one") == []
        assert storage.folders("one/two") == ["three"]
        assert storage.files("one/two") == ["file"]
        assert storage.folders("one/two/three") == []
        assert storage.tree("one") == ["other/file", "two/file", "two/three/four"]
        assert storage.exists("one/two") is False

    def test_the_folders_with_a_file_are_those_in_which_it_lies_itself(self, storage: Storage) -> None:
        hold(storage, "t/2/bars", "t/1/bars", "t/1/more", "t/3/other", "t/4/bars/file", "t/5/deeper/bars", "t/bars")
        assert sorted(storage.stamps("t", "bars")) == ["1", "2"]
        assert storage.stamps("t", "absent") == {}

    def test_unusual_keys_are_keys(self, storage: Storage) -> None:
        hold(storage, *self.unusual_keys)
        assert {key: storage.get(key) for key in self.unusual_keys} == {key: key.encode() for key in self.unusual_keys}
        assert storage.tree("") == sorted(self.unusual_keys)
        assert storage.folders("é") == ["\u0065\u0301"]

    @pytest.mark.parametrize("key", NO_KEYS)
    def test_a_key_that_could_lead_elsewhere_is_refused(self, storage: Storage, key: str) -> None:
        seen = put(storage, "a/key", b"bytes")
        with storage.exclusive("a lock", 5) as writer:
            for write in (
                lambda: writer.put(key, b"other"),
                lambda: writer.create(key, b"other"),
                lambda: writer.replace(key, b"other", seen),
                lambda: writer.keep(key, "kept", seen),
                lambda: writer.keep("a/key", key, seen),
            ):
                with pytest.raises(ValueError, match="is no key"):
                    write()
        assert storage.tree("") == ["a/key"]

    def test_the_place_says_what_people_and_callers_need(self, storage: Storage) -> None:
        assert storage.under("corner").where == f"{storage.where}/corner"
        assert storage.readers >= 1
        free = storage.free_bytes()
        assert free is None or free > 0
        storage.require_writable()
        storage.require_writable()


class Writing(Extent):
    """One writer, and what it is told that was overtaken."""

    def test_a_creation_twice_with_the_same_bytes_is_one(self, storage: Storage) -> None:
        for _ in range(2):
            with storage.exclusive("a lock", 5) as writer:
                writer.create("a/key", b"bytes")
                writer.create("a/key", b"bytes")
        assert storage.get("a/key") == b"bytes"
        assert storage.tree("") == ["a/key"]

    def test_a_creation_over_other_bytes_is_overtaken_and_says_so(self, storage: Storage) -> None:
        with storage.exclusive("a lock", 5) as writer:
            writer.create("a/key", b"bytes")
            with pytest.raises(Overtaken) as caught:
                writer.create("a/key", b"other")
        assert str(caught.value) == (
            f"a/key in {storage.where} now holds other bytes: somebody else published in between. Nothing was"
            " overwritten; what to publish is decided anew from what is there now. If this stays, clear the task later."
        )
        assert storage.get("a/key") == b"bytes"

    def test_a_replacement_of_what_was_seen_is_made(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")
        with storage.exclusive("a lock", 5) as writer:
            writer.replace("a/key", b"new and longer", seen)
        assert storage.get("a/key") == b"new and longer"
        assert storage.tree("") == ["a/key"]

    def test_a_replacement_of_what_is_no_longer_there_is_overtaken(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")
        put(storage, "a/key", b"somebody's")
        with storage.exclusive("a lock", 5) as writer, pytest.raises(Overtaken, match=r"^a/key in .* decided anew"):
            writer.replace("a/key", b"new", seen)
        assert storage.get("a/key") == b"somebody's"

    def test_a_second_replacement_of_the_same_is_overtaken_by_the_first(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")
        with storage.exclusive("a lock", 5) as writer:
            writer.replace("a/key", b"first", seen)
            with pytest.raises(Overtaken):
                writer.replace("a/key", b"second", seen)
        assert storage.get("a/key") == b"first"

    def test_a_replacement_by_the_bytes_that_are_there_is_fine_whoever_wrote_them(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")
        with storage.exclusive("a lock", 5) as writer:
            writer.replace("a/key", b"new", seen)
            writer.replace("a/key", b"new", seen)
        assert storage.get("a/key") == b"new"

    def test_a_replacement_of_what_is_gone_is_overtaken_and_leaves_nothing(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")
        with storage.exclusive("a lock", 5) as writer, pytest.raises(Overtaken, match=r"^gone/key in .* is gone: "):
            writer.replace("gone/key", b"new", seen)
        assert storage.tree("") == ["a/key"]

    def test_a_replacement_after_the_same_bytes_came_back_is_made(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"A")
        put(storage, "a/key", b"B")
        put(storage, "a/key", b"A")
        with storage.exclusive("a lock", 5) as writer:
            writer.replace("a/key", b"new", seen)  # it replaces what was seen, whoever wrote it last
        assert storage.get("a/key") == b"new"

    @pytest.mark.parametrize("data", [b"", b"much longer than before", b"before"])
    def test_a_put_replaces_whatever_is_there(self, storage: Storage, data: bytes) -> None:
        with storage.exclusive("a lock", 5) as writer:
            writer.create("a/key", b"before")
            writer.put("a/key", data)
            writer.put("another", data)
        assert (storage.get("a/key"), storage.get("another")) == (data, data)

    def test_what_is_kept_outlives_what_becomes_of_its_key(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")
        with storage.exclusive("a lock", 5) as writer:
            writer.keep("a/key", "kept/1", seen)
            writer.replace("a/key", b"new", seen)
        assert (storage.get("kept/1"), storage.get("a/key")) == (b"old", b"new")
        put(storage, "kept/1", b"put over")
        put(storage, "a/key", b"newest")
        assert (storage.get("kept/1"), storage.get("a/key")) == (b"put over", b"newest")

    def test_a_key_outlives_what_becomes_of_its_kept_bytes(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")
        with storage.exclusive("a lock", 5) as writer:
            writer.keep("a/key", "kept/1", seen)
            writer.put("kept/1", b"put over")
        assert (storage.get("kept/1"), storage.get("a/key")) == (b"put over", b"old")

    def test_keeping_twice_is_keeping_once(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")
        for _ in range(2):
            with storage.exclusive("a lock", 5) as writer:
                writer.keep("a/key", "kept/1", seen)
                writer.keep("a/key", "kept/1", seen)
        assert storage.tree("") == ["a/key", "kept/1"]
        assert storage.get("kept/1") == b"old"

    def test_what_is_kept_is_not_written_over(self, storage: Storage) -> None:
        put(storage, "kept/1", b"kept before")
        seen = put(storage, "a/key", b"old")
        with storage.exclusive("a lock", 5) as writer, pytest.raises(Overtaken, match=r"^kept/1 in .* other bytes: "):
            writer.keep("a/key", "kept/1", seen)
        assert (storage.get("kept/1"), storage.get("a/key")) == (b"kept before", b"old")

    @pytest.mark.parametrize("key", ["a/key", "gone"])
    def test_what_was_seen_is_kept_though_its_key_holds_it_no_more(self, storage: Storage, key: str) -> None:
        seen = put(storage, "a/key", b"seen")
        put(storage, "a/key", b"changed")
        with storage.exclusive("a lock", 5) as writer:
            writer.keep(key, "kept/1", seen)
        assert (storage.get("kept/1"), storage.get("a/key")) == (b"seen", b"changed")

    def test_any_calls_in_any_order_do_what_they_do_to_a_dict(self, storage: Storage) -> None:
        numbers = count()
        run_state_machine_as_test(
            lambda: Model(storage.under(f"model-{next(numbers)}")),
            settings=settings(max_examples=self.examples, stateful_step_count=15, deadline=None),
        )


class Excluding:
    """Writers that meet, and writers that die."""

    def test_a_second_holder_is_told_within_its_bound(self, storage: Storage) -> None:
        def take() -> None:
            with storage.exclusive("a lock", 0.1):
                pass

        with storage.exclusive("a lock", 5):
            assert outcome(take) == BUSY
            with pytest.raises(LakeBusy, match=r"^a lock has been locked by another process for .* = 0.1\)"):
                take()
        assert outcome(take) == WON

    def test_another_name_is_free(self, storage: Storage) -> None:
        with storage.exclusive("a lock", 5) as one, storage.exclusive("another", 0) as two:
            one.put("a", b"one")
            two.put("b", b"two")
        assert (storage.get("a"), storage.get("b")) == (b"one", b"two")

    def test_whoever_waits_goes_on_when_the_holder_is_done(self, storage: Storage) -> None:
        tried, tries = os.pipe()

        def wait() -> None:
            os.write(tries, b".")
            with storage.exclusive("a lock", 30) as writer:
                writer.create("key", b"the waiter's")

        with storage.exclusive("a lock", 5) as writer:
            child = in_a_process(wait)
            os.read(tried, 1)
            assert storage.get("key") is None
            writer.put("other", b"the holder's")
        assert ended(child) == WON
        os.close(tried)
        os.close(tries)
        assert storage.get("key") == b"the waiter's"

    def test_an_error_within_frees_the_name_and_takes_nothing_back(self, storage: Storage) -> None:
        def write_and_fail() -> None:
            with storage.exclusive("a lock", 5) as writer:
                writer.put("a/key", b"written")
                raise RuntimeError("within")

        with pytest.raises(RuntimeError, match="within"):
            write_and_fail()
        with storage.exclusive("a lock", 0) as writer:
            writer.create("another", b"bytes")
        assert storage.tree("") == ["a/key", "another"]

    def test_a_holder_that_is_killed_frees_the_name_and_leaves_no_part_of_anything(self, storage: Storage) -> None:
        seen = put(storage, "a/key", b"old")

        def act() -> None:
            with storage.exclusive("a lock", 5) as writer:
                writer.keep("a/key", "kept", seen)
                die()

        assert outcome(act) == -9
        storage.sweep()
        assert storage.sweep() == []
        with storage.exclusive("a lock", 0) as writer:
            writer.replace("a/key", b"new", seen)
        assert {key: storage.get(key) for key in storage.tree("")} == {"a/key": b"new", "kept": b"old"}

    def test_a_sweep_leaves_the_living_alone(self, storage: Storage) -> None:
        with storage.exclusive("a lock", 5) as writer:
            writer.put("a/key", b"before")
            assert storage.sweep() == []
            writer.put("a/key", b"after")
        assert storage.get("a/key") == b"after"

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/proc/a"])
    def test_a_name_that_could_lead_elsewhere_is_refused(self, storage: Storage, name: str) -> None:
        put(storage, "a/key", b"bytes")
        with pytest.raises(ValueError, match="is no"), storage.exclusive(name, 0):
            pass
        assert storage.tree("") == ["a/key"]


Write = Callable[[Writer, bytes], None]


def create(key: str, writer: Writer, data: bytes) -> None:
    writer.create(key, data)


def replace(key: str, seen: Seen, writer: Writer, data: bytes) -> None:
    writer.replace(key, data, seen)


class Racing(Extent):
    """Several at once on one key: one of them wins, and the others know."""

    def race(self, storage: Storage, key: str, write: Write, *, same_lock: bool) -> None:
        def act(number: int) -> None:
            with storage.exclusive("a lock" if same_lock else f"lock {number}", 30) as writer:
                write(writer, b"%d" % number * 100_000)

        ends = raced([partial(act, number) for number in range(RACERS)])
        assert sorted(ends) == [WON, *[OVERTAKEN] * (RACERS - 1)]
        assert storage.get(key) == b"%d" % ends.index(WON) * 100_000

    def test_of_processes_that_create_one_key_one_wins(self, storage: Storage) -> None:
        for key in map(str, range(self.rounds)):
            self.race(storage, key, partial(create, key), same_lock=True)

    def test_of_processes_that_create_one_key_without_a_common_lock_one_wins(self, storage: Storage) -> None:
        for key in map(str, range(self.rounds)):
            self.race(storage, key, partial(create, key), same_lock=False)

    def test_of_processes_that_replace_what_all_have_seen_one_wins(self, storage: Storage) -> None:
        for number in range(self.rounds):
            seen = put(storage, "key", b"round %d" % number)
            self.race(storage, "key", partial(replace, "key", seen), same_lock=True)

    def test_of_threads_that_replace_what_all_have_seen_one_wins(self, storage: Storage) -> None:
        seen = put(storage, "key", b"old")
        barrier = threading.Barrier(RACERS, timeout=30)

        def act(number: int) -> bool:
            barrier.wait()
            try:
                with storage.exclusive("a lock", 30) as writer:
                    writer.replace("key", b"%d" % number, seen)
            except Overtaken:
                return False
            return True

        with ThreadPoolExecutor(RACERS) as pool:
            won = list(pool.map(act, range(RACERS)))
        assert sorted(won) == [False] * (RACERS - 1) + [True]
        assert storage.get("key") == b"%d" % won.index(True)

    def test_of_processes_that_create_the_same_bytes_each_is_content(self, storage: Storage) -> None:
        def act() -> None:
            with storage.exclusive("a lock", 30) as writer:
                writer.create("key", b"the same")

        assert raced([act] * RACERS) == [WON] * RACERS
        assert storage.get("key") == b"the same"

    def test_of_processes_that_add_to_what_they_read_none_is_lost(self, storage: Storage) -> None:
        put(storage, "key", b"")

        def add(number: int) -> None:
            for _ in range(RACERS):  # each round lets one in at least
                seen = storage.read("key")
                assert seen is not None
                try:
                    with storage.exclusive("a lock", 30) as writer:
                        writer.replace("key", seen.data + b"%d" % number, seen)
                        return
                except Overtaken:
                    continue
            raise AssertionError("never let in")

        assert raced([partial(add, number) for number in range(RACERS)]) == [WON] * RACERS
        assert sorted((storage.get("key") or b"").decode()) == ["0", "1", "2", "3"]


class Cornering:
    """Corners of one place."""

    def test_a_corner_has_names_of_its_own(self, storage: Storage) -> None:
        hold(storage.under("one"), "a/key")
        hold(storage.under("other"), "b/key")
        hold(storage, "onemore/key")
        assert storage.under("one").tree("") == ["a/key"]
        assert storage.under("one").get("b/key") is None
        assert storage.under("one").folders("") == ["a"]
        assert (storage.get("one/a/key"), storage.get("a/key")) == (b"a/key", None)
        assert storage.folders("") == ["one", "onemore", "other"]

    def test_what_is_written_in_a_corner_is_seen_there_by_the_whole_and_back(self, storage: Storage) -> None:
        hold(storage, "one/two/key")
        corner = storage.under("one")
        assert (corner.get("two/key"), corner.read("two/key")) == (b"one/two/key", storage.read("one/two/key"))
        assert storage.under("one/two").get("key") == b"one/two/key"
        assert corner.under("two").files("") == ["key"]

    def test_a_corner_has_locks_of_its_own(self, storage: Storage) -> None:
        with (
            storage.exclusive("a lock", 5) as whole,
            storage.under("one").exclusive("a lock", 0) as one,
            storage.under("other").exclusive("a lock", 0) as other,
        ):
            whole.put("key", b"whole")
            one.put("key", b"one")
            other.put("key", b"other")
            with pytest.raises(LakeBusy), storage.under("one").exclusive("a lock", 0):
                pass
        assert [storage.get(key) for key in ("key", "one/key", "other/key")] == [b"whole", b"one", b"other"]

    def test_the_corner_of_no_name_is_the_place_itself(self, storage: Storage) -> None:
        hold(storage, "key")
        assert storage.under("").tree("") == ["key"]
        assert storage.under("").where == storage.where
        with storage.exclusive("a lock", 5), pytest.raises(LakeBusy), storage.under("").exclusive("a lock", 0):
            pass

    def test_a_corner_makes_nothing_by_being_named(self, storage: Storage) -> None:
        assert storage.under("one").tree("") == []
        assert storage.tree("") == []
        assert storage.folders("") == []

    @pytest.mark.parametrize("prefix", [one for one in NO_KEYS if one])
    def test_a_corner_that_could_lie_elsewhere_is_refused(self, storage: Storage, prefix: str) -> None:
        with pytest.raises(ValueError, match="is no key"):
            storage.under(prefix)


class StorageConformance(Reading, Writing, Excluding, Racing, Cornering):
    """All of it."""

    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError("an empty place for bytes")
