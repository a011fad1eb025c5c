"""A lake in a folder: what a dead process leaves, a lock that is held, and what cannot be written or seen."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from conftest import NOW, a_client
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import (
    LakeBusy,
    StorageError,
)
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from seconds import kept_by, spy

DAY = dt.date(2024, 11, 26)


def test_what_a_dead_process_left_in_staging_is_removed(lake: Lake, client: PolygonClient) -> None:
    left = lake.storage.root / ".staging/spy-2024-11-26/half-written"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    other = lake.storage.root / ".staging/spy-2003-09-10/half-written"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"half")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    assert not left.exists()
    assert lake.storage.sweep() == ["spy-2003-09-10"]
    assert not other.exists()


def test_a_locked_session_fails_after_its_bound(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__LOCK_TIMEOUT_S", "0.2")
    hasty = Lake(settings.load(), now=lambda: NOW)
    with lake.storage.exclusive("spy-2024-11-26", 1), pytest.raises(LakeBusy, match="storage.lock_timeout_s = 0.2"):
        ingest(hasty, SECOND_BARS, spy(DAY), a_client(hasty, waits))


def test_an_unwritable_root_is_told_with_its_path(monkeypatch: pytest.MonkeyPatch, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path / "file" / "lake"))
    with pytest.raises(StorageError, match="storage.root"):
        Lake(settings.load(), now=lambda: NOW).storage.require_writable()


def test_a_folder_that_cannot_be_looked_into_is_told_with_its_path(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)

    def forbidden(path: str, **_: bool) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "stat", forbidden)
    with pytest.raises(StorageError, match=r"cannot read .*date=2024-11-26/bars.parquet: Permission denied"):
        kept_by(lake).partitions.present("SPY")
