"""What can go wrong between the lake and an object store, fault by fault: the error, and how often it was asked."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.retries.standard
import pytest

from bucket_places import storage_at
from fault_proxy import Asked, FaultProxy, meets
from marketlake.errors import Overtaken, StorageError, StoreRefused, StoreUnreachable
from marketlake.storage.s3 import objects
from marketlake.storage.s3.access import Access, S3Options
from marketlake.storage.s3.storage import S3Storage
from marketlake.storage.storage import Seen
from object_store import ADMIN, BUCKET, REGION, WRITER, Identity, ObjectStore
from secret_search import SecretSearch
from storage_conformance import put
from store_fault_table import CREATE, LIST, READ, REPLACE, STORE_FAULTS, StoreFault, Then

ATTEMPTS = 2
OLD, NEW = b"old" * 1000, b"new" * 1000


@pytest.fixture(scope="module")
def proxy(object_store: ObjectStore) -> Iterator[FaultProxy]:
    with FaultProxy(object_store.endpoint_url) as running:
        yield running


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.retries.standard.ExponentialBackoff, "delay_amount", lambda *_: 0)
    monkeypatch.setattr(objects, "_TIMES_A_READ", 1)


@pytest.fixture
def prefix(object_store: ObjectStore) -> str:
    return object_store.corner()


@pytest.fixture
def sound(object_store: ObjectStore, prefix: str, tmp_path: Path) -> S3Storage:
    """The place, reached without the proxy."""
    return storage_at(object_store.endpoint_url, prefix, tmp_path)


@pytest.fixture
def seen(sound: S3Storage) -> Seen:
    return put(sound, "a/key", OLD)


def through(proxy: FaultProxy, prefix: str, tmp_path: Path, *, hasty: bool = False) -> S3Storage:
    return storage_at(proxy.url, prefix, tmp_path, attempts=ATTEMPTS, read_timeout_s=1 if hasty else 30)


def ask(place: S3Storage, operation: str, seen: Seen) -> object:
    """What comes of one request."""
    if operation == READ:
        return place.get("a/key")
    if operation == LIST:
        return place.tree("")
    with place.exclusive("a lock", 5) as writer:
        writer.create("b/key", NEW) if operation == CREATE else writer.replace("a/key", NEW, seen)
    return None


AFTER = {
    READ: (OLD, {"a/key": OLD}),
    LIST: (["a/key"], {"a/key": OLD}),
    CREATE: (None, {"a/key": OLD, "b/key": NEW}),
    REPLACE: (None, {"a/key": NEW}),
}
"""What a request comes to, and what is there then."""
REQUESTS = {
    READ: ("GetObject", "a/key"),
    LIST: ("ListObjectsV2", ""),
    CREATE: ("PutObject", "b/key"),
    REPLACE: ("PutObject", "a/key"),
}


def held_by(place: S3Storage) -> dict[str, bytes | None]:
    return {key: place.get(key) for key in place.tree("")}


def cases(*, passing: bool) -> list[Any]:
    faults = (fault for fault in STORE_FAULTS if not passing or fault.then is not Then.STOPPED)
    return [pytest.param(fault, asked, id=f"{fault.what}, {asked}") for fault in faults for asked in fault.of]


@pytest.mark.parametrize(("fault", "operation"), cases(passing=True))
def test_a_fault_that_passes_is_not_noticed(
    proxy: FaultProxy, prefix: str, sound: S3Storage, seen: Seen, tmp_path: Path, fault: StoreFault, operation: str
) -> None:
    with proxy.meeting(meets(fault.served, 1)) as asked:
        assert ask(through(proxy, prefix, tmp_path, hasty=fault.hasty), operation, seen) == AFTER[operation][0]
    assert len(asked) == (3 if fault.then is Then.OWN else 2)  # what is one's own is looked at
    assert held_by(sound) == AFTER[operation][1]


@pytest.mark.parametrize(("fault", "operation"), cases(passing=False))
def test_a_fault_that_stays_ends_in_its_error_and_leaves_what_was_there(
    proxy: FaultProxy, prefix: str, sound: S3Storage, seen: Seen, tmp_path: Path, fault: StoreFault, operation: str
) -> None:
    place = through(proxy, prefix, tmp_path, hasty=fault.hasty)
    with proxy.meeting(meets(fault.served)) as asked, pytest.raises(fault.error) as caught:
        ask(place, operation, seen)
    name, key = REQUESTS[operation]
    assert str(caught.value).startswith(f"{name} of s3://{BUCKET}/{prefix}/{key} at {proxy.url}: ")
    assert fault.words in str(caught.value)
    assert WRITER.secret_access_key not in str(caught.value)
    assert WRITER.access_key_id not in str(caught.value)
    assert caught.value.__cause__ is None
    looks = sum(one.method != "HEAD" for one in asked)  # the client looks for the region of a bucket that is elsewhere
    assert looks == (1 if fault.then is Then.STOPPED else ATTEMPTS)
    assert held_by(sound) == (AFTER[operation][1] if fault.then is Then.OWN else {"a/key": OLD})


def test_a_lost_answer_is_no_success_if_somebody_else_has_written_meanwhile(
    proxy: FaultProxy, prefix: str, sound: S3Storage, seen: Seen, tmp_path: Path
) -> None:
    times = iter(range(99))

    def meet(asked: Asked) -> str:
        if asked.method != "PUT" or next(times):
            return ""
        put(sound, "a/key", b"somebody's")
        return "reset"

    with proxy.meeting(meet), pytest.raises(Overtaken, match="^a/key in .* now holds other bytes"):
        ask(through(proxy, prefix, tmp_path), REPLACE, seen)
    assert held_by(sound) == {"a/key": b"somebody's"}


@pytest.mark.parametrize("operation", [CREATE, REPLACE])
def test_a_write_that_meets_another_one_is_tried_again_while_nothing_came_of_that(
    proxy: FaultProxy, prefix: str, sound: S3Storage, seen: Seen, tmp_path: Path, operation: str
) -> None:
    place = through(proxy, prefix, tmp_path)
    with proxy.meeting(meets("conflict", 2, method="PUT")) as asked:
        ask(place, operation, seen)
    assert [one.method for one in asked] == ["PUT", "GET", "PUT", "GET", "PUT"]
    assert held_by(sound) == AFTER[operation][1]


@pytest.mark.parametrize("operation", [CREATE, REPLACE])
def test_a_write_that_meets_others_for_ever_is_decided_anew(
    proxy: FaultProxy, prefix: str, sound: S3Storage, seen: Seen, tmp_path: Path, operation: str
) -> None:
    with proxy.meeting(meets("conflict", method="PUT")) as asked, pytest.raises(Overtaken):
        ask(through(proxy, prefix, tmp_path), operation, seen)
    assert [one.method for one in asked] == ["PUT", "GET"] * 3
    assert held_by(sound) == {"a/key": OLD}


def test_what_is_read_in_parts_is_never_of_two_versions(
    proxy: FaultProxy, prefix: str, sound: S3Storage, tmp_path: Path
) -> None:
    put(sound, "large", b"1" * 200_000)
    file = through(proxy, prefix, tmp_path).open("large")
    assert file is not None
    with file:
        assert file.seek(-4, 2) == 199_996
        assert file.read() == b"1111"
        put(sound, "large", b"2" * 200_000)
        file.seek(0)
        with pytest.raises(Overtaken, match="^large in .* now holds other bytes"):
            file.read(10)


@pytest.mark.parametrize("served", ["short", "flipped", "reset"])
def test_a_part_that_is_spoiled_is_asked_for_again_where_that_can_be_seen(
    proxy: FaultProxy, prefix: str, sound: S3Storage, tmp_path: Path, served: str
) -> None:
    put(sound, "large", b"1" * 200_000)
    with proxy.meeting(meets(served, 1)) as asked:
        file = through(proxy, prefix, tmp_path).open("large")
        assert file is not None
        with file:
            assert len(file.read()) == 200_000
    assert len(asked) == (2 if served == "flipped" else 3)  # nothing tells a flipped bit in a part of the bytes


def test_a_store_that_nobody_serves_is_told_with_its_address(tmp_path: Path) -> None:
    place = storage_at("http://127.0.0.1:9", "lake", tmp_path, attempts=ATTEMPTS)
    with pytest.raises(StoreUnreachable) as caught:
        place.get("a/key")
    assert str(caught.value) == (
        f"GetObject of s3://{BUCKET}/lake/a/key at http://127.0.0.1:9: EndpointConnectionError: Could not connect to"
        f' the endpoint URL: "http://127.0.0.1:9/{BUCKET}/lake/a/key". No usable answer came: check the network, its'
        " proxy and storage.endpoint_url. It is tried again later; nothing was overwritten by half."
    )


REFUSED: list[tuple[str, Identity, str, str]] = [
    ("no-such-bucket", ADMIN, "HTTP 404 NoSuchBucket", "There is no such bucket: create it, or correct storage.root."),
    ("no-such-bucket", WRITER, "HTTP 403 AccessDenied", "(****lake from a test) may not do that: they need s3:"),
    (BUCKET, Identity(WRITER.access_key_id, "another-secret-than-the-writer-s"), "HTTP 403 SignatureDoesNotMatch",
     "The credentials (****lake from a test) are not accepted: correct them."),
    (BUCKET, Identity("nobody-that-is-known", "a-secret-that-nobody-has-1"), "HTTP 403 InvalidAccessKeyId",
     "The credentials (****nown from a test) are not accepted: correct them."),
]  # fmt: skip


@pytest.mark.parametrize(("bucket", "identity", "answer", "advice"), REFUSED)
@pytest.mark.parametrize(
    "look",
    [S3Storage.require_writable, lambda place: place.get("a/key"), lambda place: place.tree("")],
    ids=["preflight", "read", "list"],
)
def test_a_refusal_of_the_real_server_says_what_to_correct(
    object_store: ObjectStore, tmp_path: Path, bucket: str, identity: Identity, answer: str, advice: str,
    look: Callable[[S3Storage], object],
) -> None:  # fmt: skip
    place = storage_at(object_store.endpoint_url, "lake", tmp_path, bucket=bucket, identity=identity)
    with pytest.raises(StoreRefused) as caught:
        look(place)
    assert f"s3://{bucket}/lake/" in str(caught.value)
    assert answer in str(caught.value)
    assert advice in str(caught.value)
    assert identity.secret_access_key not in str(caught.value)
    names = [one["Name"] for one in object_store.client().list_buckets()["Buckets"]]
    assert names == [BUCKET]  # which this server would have made by a first write


def test_a_clock_that_is_wrong_is_named_by_the_real_server(
    monkeypatch: pytest.MonkeyPatch, object_store: ObjectStore, tmp_path: Path
) -> None:
    really = botocore.auth.get_current_datetime

    def an_hour_late(*given: Any, **named: Any) -> dt.datetime:
        return really(*given, **named) - dt.timedelta(hours=1)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", an_hour_late)
    place = storage_at(object_store.endpoint_url, object_store.corner(), tmp_path)
    with pytest.raises(StoreRefused, match=r"HTTP 403 RequestTimeTooSkewed: .* This machine's clock is wrong: set it"):
        place.require_writable()


def test_what_is_logged_at_its_most_shows_neither_key_nor_signature(
    proxy: FaultProxy, prefix: str, seen: Seen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place = storage_at(proxy.url, prefix, tmp_path, attempts=ATTEMPTS, read_timeout_s=31)  # a client of its own
    ask(place, READ, seen)
    for served in ("denied", "500", "reset", "short"):
        with proxy.meeting(meets(served)), pytest.raises(StorageError):
            ask(place, READ, seen)
    shown = SecretSearch({"secret": WRITER.secret_access_key, "access key": WRITER.access_key_id}).in_text(caplog.text)
    assert shown == set()
    assert "Signature" not in caplog.text


def test_without_any_credentials_it_is_said_where_they_are_looked_for(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    bare = Access("what boto3 found (profile, role)")
    place = storage_at(object_store.endpoint_url, "lake", tmp_path)
    options: S3Options = place._objects.options
    place = S3Storage(place._place, options, lambda: bare, tmp_path)
    with pytest.raises(StoreRefused) as caught:
        place.get("a/key")
    assert str(caught.value) == (
        f"GetObject of s3://{BUCKET}/lake/a/key at {object_store.endpoint_url}: NoCredentialsError: Unable to locate"
        " credentials. No credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment or .env, or a"
        " profile or role that boto3 finds; for Airflow's tasks storage.connection can name a connection."
    )
    assert options.region == REGION
