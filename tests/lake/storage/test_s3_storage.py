"""A bucket as a place for bytes: what every place does, on a real server, with the rights that the docs name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bucket_places import storage_at
from disk import ended
from fault_proxy import FaultProxy
from marketlake.errors import StoreRefused
from marketlake.storage.s3.client import client_of
from marketlake.storage.s3.storage import S3Storage
from marketlake.storage.storage import Storage
from object_store import BUCKET, READER, ObjectStore
from racing import WON, in_a_process
from storage_conformance import UNUSUAL_KEYS, StorageConformance, hold, put, replace


class TestABucket(StorageConformance):
    rounds = 1
    examples = 3
    unusual_keys = tuple(key for key in UNUSUAL_KEYS if "\\" not in key)  # SeaweedFS lists it as a slash

    @pytest.fixture
    def storage(self, object_store: ObjectStore, tmp_path: Path) -> Storage:
        return storage_at(object_store.endpoint_url, object_store.corner(), tmp_path)

    def test_of_machines_that_replace_what_all_have_seen_one_wins(self, storage: Storage) -> None:
        for number in range(self.rounds):
            seen = put(storage, "key", b"round %d" % number)
            self.race(storage, "key", partial(replace, "key", seen), same_lock=False)


@pytest.fixture
def place(object_store: ObjectStore, tmp_path: Path) -> S3Storage:
    return storage_at(object_store.endpoint_url, object_store.corner(), tmp_path)


@pytest.fixture
def behind(object_store: ObjectStore) -> Any:
    """A client of somebody else's, who may do anything."""
    return object_store.client()


def prefix_of(place: S3Storage) -> str:
    return place.where.removeprefix(f"s3://{BUCKET}/")


def test_what_takes_several_pages_is_listed_whole_and_in_order(object_store: ObjectStore, tmp_path: Path) -> None:
    place = storage_at(object_store.endpoint_url, object_store.corner(), tmp_path, read_timeout_s=29)
    pages: list[int] = []

    def two_a_page(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = 2
        pages.append(1)

    events = client_of(*place.reached).meta.events
    events.register("provide-client-params.s3.ListObjectsV2", two_a_page)
    hold(place, "t/b", "t/a/x", "t/a-b/x", "t/a.b/x", "t/B/x", "t/a0/x", "t/Z")
    pages.clear()
    assert place.tree("t") == ["B/x", "Z", "a-b/x", "a.b/x", "a/x", "a0/x", "b"]
    assert len(pages) == 4
    assert place.folders("t") == ["B", "a", "a-b", "a.b", "a0"]
    assert place.files("t") == ["Z", "b"]
    assert sorted(place.stamps("t", "x")) == ["B", "a", "a-b", "a.b", "a0"]
    assert len(pages) == 16
    events.unregister("provide-client-params.s3.ListObjectsV2", two_a_page)


def test_a_folder_whose_last_object_was_deleted_holds_nothing(place: S3Storage, behind: Any) -> None:
    hold(place, "t/full/bars", "t/ghost/bars")
    behind.delete_object(Bucket=BUCKET, Key=f"{prefix_of(place)}/t/ghost/bars")
    assert place.folders("t") == ["full", "ghost"]  # this server goes on naming it; others do not
    assert list(place.stamps("t", "bars")) == ["full"]
    assert place.tree("t") == ["full/bars"]
    assert (place.get("t/ghost/bars"), place.files("t/ghost")) == (None, [])


def test_the_object_by_which_a_console_makes_a_folder_is_no_file(place: S3Storage, behind: Any) -> None:
    hold(place, "t/full/bars")
    for folder in ("t/", "t/full/", "t/empty/"):
        behind.put_object(Bucket=BUCKET, Key=f"{prefix_of(place)}/{folder}", Body=b"")
    assert place.files("t") == []
    assert place.files("t/empty") == []
    assert place.folders("t") == ["empty", "full"]
    assert list(place.stamps("t", "bars")) == ["full"]
    assert place.tree("t") == ["empty/", "full/bars"]
    assert place.exists("t/empty") is False
    assert place.tree("") == ["t/empty/", "t/full/bars"]


def test_what_the_probe_leaves_is_no_key_of_the_lake(place: S3Storage, behind: Any) -> None:
    place.require_writable()
    listed = behind.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix_of(place)}/")["Contents"]
    assert [one["Key"] for one in listed] == [f"{prefix_of(place)}/.probe/conditional-writes"]
    assert (place.tree(""), place.folders(""), place.files("")) == ([], [], [])


def test_nothing_is_deleted_by_the_rights_that_the_lake_needs(place: S3Storage, object_store: ObjectStore) -> None:
    hold(place, "key")
    client = client_of(*place.reached)
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.delete_object(Bucket=BUCKET, Key=f"{prefix_of(place)}/key")


def test_whoever_may_read_reads_and_is_told_that_more_is_needed_to_write(
    place: S3Storage, object_store: ObjectStore, tmp_path: Path
) -> None:
    hold(place, "a/key")
    readers = storage_at(object_store.endpoint_url, prefix_of(place), tmp_path, identity=READER)
    assert (readers.get("a/key"), readers.tree(""), readers.size_bytes("a/key")) == (b"a/key", ["a/key"], 5)
    where = f"s3://{BUCKET}/{prefix_of(place)}"
    with pytest.raises(StoreRefused) as caught, readers.exclusive("a lock", 5) as writer:
        writer.create("b/key", b"bytes")
    assert str(caught.value).startswith(f"PutObject of {where}/b/key at {object_store.endpoint_url}: HTTP 403 ")
    assert "(****lake from a test) may not do that: they need s3:PutObject there." in str(caught.value)
    with pytest.raises(StoreRefused, match=rf"^PutObject of {where}/\.probe/conditional-writes at .* HTTP 403 Access"):
        readers.require_writable()


def test_a_place_that_was_used_before_a_fork_gives_each_process_its_own_bytes_by_its_own_connections(
    place: S3Storage, object_store: ObjectStore, tmp_path: Path
) -> None:
    """Over the parent's connections some hang, and some get what another one asked for: now and then."""
    objects = {f"key {number}": b"%d" % number * 20_000 for number in range(9)}
    with place.exclusive("a lock", 5) as writer:
        for key, data in objects.items():
            writer.put(key, data)

    def read(key: str) -> None:
        for _ in range(10):
            assert used.get(key) == objects[key]

    with FaultProxy(object_store.endpoint_url) as proxy:
        used = storage_at(proxy.url, prefix_of(place), tmp_path)
        read("key 8")
        children = [in_a_process(partial(read, f"key {number}")) for number in range(8)]
        read("key 8")
        assert [ended(child) for child in children] == [WON] * 8
        ports = {key: {one.port for one in proxy.asked if one.key.endswith(key)} for key in objects}
    assert sum(map(len, ports.values())) == len(set().union(*ports.values()))  # no two had one in common
