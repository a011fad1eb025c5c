"""Which sessions a task instance is of, as Airflow's database has it before, while and after its run is mapped."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from marketlake_airflow.coverage.attempts import INGEST, PLAN, _sessions

MONDAY, TUESDAY = "2025-03-10", "2025-03-11"
PLANS = {"planned": [MONDAY, TUESDAY]}
LOGICAL = dt.datetime(2025, 3, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("instance", "sessions"),
    [
        ({"task_id": PLAN, "conf": {"sessions": [TUESDAY]}}, [TUESDAY]),
        ({"task_id": PLAN, "run_type": "backfill", "logical_date": LOGICAL}, [MONDAY]),
        ({"task_id": PLAN, "logical_date": LOGICAL}, []),
        ({"task_id": INGEST, "run_id": "not planned yet"}, []),
        ({"task_id": INGEST}, [MONDAY, TUESDAY]),  # planned, and not mapped yet
        ({"task_id": INGEST, "map_index": 1}, [TUESDAY]),
        ({"task_id": INGEST, "map_index": 2}, []),
        ({"task_id": INGEST, "map_index": 0, "label": "2025-03-12"}, ["2025-03-12"]),
    ],
)
def test_the_sessions_of_an_instance(instance: dict[str, Any], sessions: list[str]) -> None:
    blank = {
        "run_id": "planned",
        "map_index": -1,
        "label": None,
        "conf": {},
        "run_type": "manual",
        "logical_date": None,
    }
    assert [str(day) for day in _sessions(SimpleNamespace(**blank | instance), PLANS)] == sessions  # type: ignore[arg-type]
