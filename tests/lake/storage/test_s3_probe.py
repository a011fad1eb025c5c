"""A store is tried before anything is written: whoever overwrites in spite of a condition is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bucket_places import storage_at
from made_up_bucket import Conditions, made_up_bucket
from marketlake.errors import Overtaken, StoreRefused
from marketlake.storage.s3.storage import S3Storage
from marketlake.storage.storage import Seen
from object_store import BUCKET

Serve = Callable[..., S3Storage]


@pytest.fixture
def place_with(tmp_path: Path) -> Iterator[Serve]:
    """A place in a made-up bucket with such conditions; one at a time."""
    served = []

    def serve(conditions: Conditions, **options: object) -> S3Storage:
        served.append(made_up_bucket(conditions))
        return storage_at(served[-1].__enter__(), "lake", tmp_path, **options)

    yield serve
    for one in served:
        one.__exit__(None, None, None)


def test_a_store_that_keeps_to_its_conditions_is_taken_and_not_asked_again(
    place_with: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_with(Conditions.KEPT)
    place.require_writable()
    monkeypatch.setattr(place._objects, "put", None)
    place.require_writable()
    place.under("minute_bars").require_writable()


@pytest.mark.parametrize("conditions", [Conditions.IGNORED, Conditions.NEW_ONES_ALONE, Conditions.RACED])
def test_a_store_that_does_not_is_refused_each_time(place_with: Serve, conditions: Conditions) -> None:
    place = place_with(conditions)
    for _ in range(2):
        with pytest.raises(StoreRefused) as caught:
            place.require_writable()
        assert str(caught.value) == (
            f"s3://{BUCKET}/lake is overwritten in spite of If-None-Match or If-Match: two tasks on one date could undo"
            " each other. Use a store with conditional writes, or set storage.conditional_writes: one_machine if only"
            " one machine ever writes there."
        )


def test_one_machine_alone_writes_by_its_locks_and_is_told_what_that_means(
    place_with: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    place = place_with(Conditions.IGNORED, conditional=False)
    with caplog.at_level(logging.WARNING):
        place.require_writable()
    assert f"s3://{BUCKET}/lake is written by this machine alone" in caplog.text
    with place.exclusive("a lock", 5) as writer:
        writer.create("a/key", b"old")
        with pytest.raises(Overtaken):
            writer.create("a/key", b"other")
        seen = place.read("a/key")
        assert seen is not None
        writer.replace("a/key", b"new", seen)
        with pytest.raises(Overtaken):
            writer.replace("a/key", b"newer", seen)
    assert place.get("a/key") == b"new"


def test_a_replacement_of_nothing_is_overtaken_where_that_is_answered_as_not_found(place_with: Serve) -> None:
    """AWS answers 404; SeaweedFS, as the condition's refusal, 412."""
    place = place_with(Conditions.KEPT)
    with place.exclusive("a lock", 5) as writer, pytest.raises(Overtaken, match="^gone in .* is gone: "):
        writer.replace("gone", b"new", Seen(b"old", '"0"'))
    assert place.get("gone") is None
