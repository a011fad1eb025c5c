"""A DAG as people write it: requests and pandas in a mapped task. It checks nothing, and keeps no evidence."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pendulum
import requests
from airflow.sdk import dag, get_current_context, task


@dag(schedule=None, start_date=pendulum.datetime(2003, 9, 10), catchup=False, params={"start_date": "", "end_date": ""})
def plain_bars() -> None:
    """Every weekday of a range."""

    @task
    def dates() -> list[str]:
        params = get_current_context()["params"]
        return [str(day.date()) for day in pd.bdate_range(params["start_date"], params["end_date"])]

    @task
    def fetch(day: str) -> str:
        answer = requests.get(
            f"{os.environ['POLYGON_BASE_URL']}/v2/aggs/ticker/SPY/range/1/second/{day}/{day}",
            params={"adjusted": "false", "sort": "asc", "limit": "50000"},
            headers={"Authorization": f"Bearer {os.environ['POLYGON_API_KEY']}"},
            timeout=60,
        )
        path = Path(os.environ["PLAIN_FOLDER"]) / f"{day}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(answer.json().get("results") or []).to_parquet(path)
        return str(path)

    fetch.expand(day=dates())


plain_bars()
