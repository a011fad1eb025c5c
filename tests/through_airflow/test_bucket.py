"""A lake in a bucket through the real Airflow, by the keys of a connection: fetched, and found whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_places import variables_of
from conftest import KEY
from object_store import BUCKET, WRITER, ObjectStore
from polygon_simulator.server import Simulator
from rig import Rig, rows
from secret_search import SecretSearch
from sparse_days import SparseDays

pytestmark = pytest.mark.airflow
DAYS = ("2024-11-26", "2024-11-27")
SECRETS = {"access key": WRITER.access_key_id, "its secret": WRITER.secret_access_key}


@pytest.fixture
def rig(tmp_path: Path, migrated: Path, object_store: ObjectStore) -> Iterator[Rig]:
    lake = variables_of(object_store.endpoint_url, object_store.corner(), tmp_path)
    login, password = lake.pop("AWS_ACCESS_KEY_ID"), lake.pop("AWS_SECRET_ACCESS_KEY")
    in_airflow = {"conn_type": "aws", "login": login, "password": password}
    by_connection = {
        "MARKETLAKE__STORAGE__CONNECTION": "lake_keys",
        "AIRFLOW_CONN_LAKE_KEYS": json.dumps(in_airflow),
        "MARKETLAKE__LOGGING__LEVEL": "DEBUG",
    }
    with Simulator(SparseDays(), KEY) as simulator:
        yield Rig(tmp_path, simulator, lake | by_connection).with_database(migrated)


def partitions_in(object_store: ObjectStore, where: str) -> list[str]:
    """The keys of a lake's partitions."""
    start = f"{where.removeprefix(f's3://{BUCKET}/')}/"
    listed = object_store.client().list_objects_v2(Bucket=BUCKET, Prefix=f"{start}processed/")["Contents"]
    return sorted(one["Key"].removeprefix(start) for one in listed)


def test_a_backfill_into_a_bucket_is_whole_and_shows_no_key(rig: Rig, object_store: ObjectStore) -> None:
    where = rig.extra["MARKETLAKE__STORAGE__ROOT"]
    done = rig.backfill(*DAYS)
    assert done.returncode == 0, done.stdout
    assert f"SPY: 2 of 2 sessions have their partition under {where}" in done.stdout
    counted = "select task_id, state, count(*) from task_instance group by 1, 2 order by 1"
    assert rows(rig, counted) == [
        ("dates_ended", "skipped", 2), ("ingest_session", "success", 2),
        ("plan_sessions", "success", 2), ("report", "skipped", 2),
    ]  # fmt: skip
    assert partitions_in(object_store, where) == [f"processed/spy/date={day}/bars.parquet" for day in DAYS]
    found = rig.make("verify", AWS_ACCESS_KEY_ID=WRITER.access_key_id, AWS_SECRET_ACCESS_KEY=WRITER.secret_access_key)
    assert f"SPY: 2 partitions under {where}" in found.stdout
    assert ", 2 complete; 0 findings; " in found.stdout
    search = SecretSearch(SECRETS)
    assert search.in_text(done.stdout, found.stdout) == set()
    assert {name: names for name, names in search.in_folder(rig.folder).items() if "its secret" in names} == {}
    assert search.in_folder(rig.folder / "logs") == {}
