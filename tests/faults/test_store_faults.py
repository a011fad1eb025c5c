"""What can go wrong with an object store in the midst of a session, and a death at each of its writes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import botocore.retries.standard
import pytest

from bucket_ground import ATTEMPTS, BucketGround, bucket_ground
from disk import ended
from fault_lake import DAY
from fault_proxy import Asked, Meet, meets, nothing
from marketlake.errors import LakeBusy
from marketlake.storage.s3 import objects
from object_store import BUCKET, WRITER, ObjectStore
from racing import in_a_process
from store_fault_table import LIST, READ, STORE_FAULTS, WRITES, StoreFault, Then

PARTITION = f"processed/spy/date={DAY}/bars.parquet"
LAKE, LISTING, RAW, KEPT = "/lake.json", f"{BUCKET}$", "/raw/", "/revisions/"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, object_store: ObjectStore) -> Iterator[BucketGround]:
    with bucket_ground(tmp_path_factory.mktemp("bucket"), object_store) as made:
        yield made


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.retries.standard.ExponentialBackoff, "delay_amount", lambda *_: 0)
    monkeypatch.setattr(objects, "_TIMES_A_READ", 1)


def asked_by(bucket: BucketGround, prefix: str) -> list[str]:
    """The requests of a session, each in a word or two."""
    with bucket.proxy.meeting(nothing) as asked:
        bucket.ingest(bucket.lake(prefix))
    names = (one.key.replace(f"{BUCKET}/{prefix}/", "").replace(f"/spy/date={DAY}", "") for one in asked)
    return [f"{one.method} {'list' if name == BUCKET else name}" for one, name in zip(asked, names, strict=True)]


def test_a_session_makes_so_many_requests(bucket: BucketGround) -> None:
    looks = ["GET lake.json", "GET processed/bars.parquet", "GET lake.json", "GET processed/bars.parquet"]
    prefix = bucket.prepared(old=True)
    revised = asked_by(bucket, prefix)
    assert revised[:-2] == [*looks, "GET list", "GET list", revised[6]]
    assert revised[6].startswith("PUT raw/rev=2/pages-")
    assert revised[-2:] == ["PUT revisions/rev=1.parquet", "PUT processed/bars.parquet"]
    assert asked_by(bucket, prefix) == looks


def cases() -> list[Any]:
    """Every fault at the partition while it stays; some that pass, as every one does in the suite of the storage; of
    each kind one at every other request; and some at a first partition.
    """
    at_partition = [
        (fault, "GET" if set(fault.of) <= {READ, LIST} else "PUT", PARTITION, stays, True)
        for fault in STORE_FAULTS
        for stays in ((False, True) if fault.served in {"500", "lost", "short"} else (True,))
    ]
    some = [fault for fault in STORE_FAULTS if fault.served in {"500", "denied"}]
    reads = [(fault, "GET", key, True, True) for fault in some for key in (LAKE, LISTING)]
    writes = [
        (fault, "PUT", key, True, True)
        for fault in STORE_FAULTS
        if fault.served in {"500", "denied", "lost", "half"}
        for key in (RAW, KEPT)
    ]
    first = [
        (fault, "PUT", PARTITION, True, False)
        for fault in STORE_FAULTS
        if fault.served in {"reset", "half", "lost", "expired"}
    ]
    return [
        pytest.param(
            *case, id=f"{case[0].what}, {case[1]} {case[2]}, {'stays' if case[3] else 'passes'}, old {case[4]}"
        )
        for case in [*at_partition, *reads, *writes, *first]
    ]


@pytest.mark.parametrize(("fault", "method", "key", "stays", "old"), cases())
def test_a_fault_passes_or_fails_the_task_with_the_old_partition_whole_and_the_next_attempt_heals(
    bucket: BucketGround, fault: StoreFault, method: str, key: str, stays: bool, old: bool
) -> None:
    prefix = bucket.prepared(old=old)
    lake = bucket.lake(prefix, hasty=fault.hasty)
    spoils, spoiled = meets(fault.served, 0 if stays else 1, method=method, key=key), []

    def meet(asked: Asked) -> str:
        found = spoils(asked)
        spoiled.extend([str(asked)] if found else [])
        return found

    with bucket.proxy.meeting(meet):
        if stays:
            with pytest.raises(fault.error) as caught:
                bucket.ingest(lake)
            assert fault.words in str(caught.value)
            assert f"s3://{BUCKET}" in str(caught.value)
            assert WRITER.secret_access_key not in str(caught.value)
            unnoticed = fault.served == "flipped"  # in the footer, which comes first and has no checksum of its own
            assert len(spoiled) == (1 if fault.then is Then.STOPPED else ATTEMPTS) + unnoticed
        else:
            assert bucket.ingest(lake).content_hash == bucket.ground.undisturbed
    before = bucket.ground.old if old else None
    is_done = not stays or (fault.then is Then.OWN and key == PARTITION)
    assert bucket.content(prefix) == (bucket.ground.undisturbed if is_done else before)
    bucket.run_again(prefix)


def test_a_session_that_others_are_in_the_way_of_for_ever_gives_up_in_bounded_time(bucket: BucketGround) -> None:
    prefix = bucket.prepared(old=True)
    with (
        bucket.proxy.meeting(meets("conflict", method="PUT", key=PARTITION)) as asked,
        pytest.raises(LakeBusy, match="others published it 5 times"),
    ):
        bucket.ingest(bucket.lake(prefix))
    assert sum(one.method == "PUT" and PARTITION in one.key for one in asked) == 5 * 3
    assert bucket.content(prefix) == bucket.ground.old
    bucket.run_again(prefix)


WRITTEN = {False: (LAKE, RAW, PARTITION), True: (RAW, KEPT, PARTITION)}
"""What a session writes, in this order: the first of a lake, and one that replaces another."""


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("old", "key"), [pytest.param(old, key, id=f"{key}, old {old}") for old in WRITTEN for key in WRITTEN[old]]
)
def test_a_process_that_dies_at_a_write_leaves_the_old_or_the_new_and_the_next_attempt_heals(
    bucket: BucketGround, old: bool, key: str, applied: bool
) -> None:
    prefix = bucket.prepared(old=old)
    dying = Dying(key, applied)
    with bucket.proxy.meeting(dying.meet):
        dying.starts(in_a_process(lambda: bucket.ingest(bucket.lake(prefix))))
        assert ended(dying.child) == -signal.SIGKILL
    before = bucket.ground.old if old else None
    assert bucket.content(prefix) == (bucket.ground.undisturbed if applied and key == PARTITION else before)
    bucket.run_again(prefix)


class Dying:
    """A process that is killed when it writes a key: before that reaches the store, or when it was applied."""

    def __init__(self, key: str, applied: bool) -> None:
        self._key, self._applied = key, applied
        self._known = threading.Event()
        self.child = 0

    def starts(self, child: int) -> None:
        self.child = child
        self._known.set()

    @property
    def meet(self) -> Meet:
        matching = meets("lost" if self._applied else "reset", 1, method="PUT", key=self._key)

        def meet(asked: Asked) -> str:
            fault = matching(asked)
            if fault:
                assert self._known.wait(30)
                os.kill(self.child, signal.SIGKILL)
            return fault

        return meet


def test_every_kind_of_write_of_the_table_is_met() -> None:
    assert {asked for fault in STORE_FAULTS for asked in fault.of} >= {*WRITES, READ, LIST}
