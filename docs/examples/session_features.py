"""
### One row of features for each session

An example to copy into `dags/` and to change. A run for each session that enters the lake, or is revised: it reads the
session's bars and writes one small JSON file, `2024-11-29.json`, into the folder of the variable
`session_features_folder`. A session whose row is of the same bars already is skipped.

Started by hand without a partition key, it goes through every session that the lake holds.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, Variable, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

if TYPE_CHECKING:
    import pandas as pd

    from marketlake.research.lake import ResearchLake


def update(lake: ResearchLake, session: str | None, folder: Path) -> list[str]:
    """Write the rows that are missing or of other bars, of one session or of every one; which ones were written."""
    held = lake.certificates(session) if session else lake.certificates("2003", dt.datetime.now(dt.UTC).date())
    if session and held.empty:
        raise LookupError(f"{session}: the lake holds no partition with a certificate: fetch the session again.")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for day, certificate in held.iterrows():
        file = folder / f"{day:%Y-%m-%d}.json"
        # Provisional bars are not the session's last: the final ones raise an event of their own.
        if certificate["state"] == "provisional" or _hash_in(file) == certificate["content_hash"]:
            continue
        # The hash was read before the bars. If a revision comes between the two, the row has the older hash, and the
        # revision's own event has it written again; the other way round it would never be.
        bars = lake.bars(file.stem)
        _replace(file, {"session": file.stem, "content_hash": certificate["content_hash"], **features(bars)})
        written.append(file.stem)
    return written


def features(bars: pd.DataFrame) -> dict[str, Any]:
    """What is kept of a session's one-second bars, regular hours. Put your own here."""
    import numpy as np

    returns = np.log(bars["close"]).diff().dropna()  # from one second that traded to the next one
    return {
        "bars": len(bars),
        "realised_variance": float((returns**2).sum()),
        "volume": int(bars["volume"].sum()),
    }


def _hash_in(file: Path) -> str | None:
    return json.loads(file.read_text())["content_hash"] if file.exists() else None


def _replace(file: Path, row: dict[str, Any]) -> None:
    """In one step: whoever reads the folder, or ends this task, finds the old row or the new one, whole."""
    new = file.with_suffix(".part")
    new.write_text(json.dumps(row))
    os.replace(new, file)


with DAG(
    "session_features",
    # A plain schedule=[Asset(...)] would never run: the events of the bars have a partition, the session's date.
    schedule=PartitionedAssetTimetable(assets=Asset("spy_second_bars", group="marketlake")),
    max_active_runs=1,  # of two runs for one session, an older one must not write last; and a backfill has a machine
    default_args={"retries": 2, "retry_delay": dt.timedelta(minutes=1)},
    tags=["market-data", "SPY"],
    doc_md=__doc__,
):

    @task
    def write_features() -> list[str]:
        """The sessions whose rows were written."""
        from marketlake import open_lake

        folder = Path(Variable.get("session_features_folder"))
        written = update(open_lake(), get_current_context()["partition_key"], folder)
        if not written:
            raise AirflowSkipException("every row is there already, of the same bars")
        return written

    write_features()
