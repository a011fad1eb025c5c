"""
### What cannot be had later: open interest, and the vendor's own implied volatility and greeks

`collect_snapshot` asks, on the day of a session and after its trading in options has ended, for what the vendor shows
of every contract, and keeps it with the time of asking; open interest is labelled with the session that it belongs to,
the one before. Nobody can fetch it for a past session, so a day without a run stays without one. On a day that is no
session the task is skipped.

There is a DAG for each ticker of `options.tickers` if `options.enabled` and `options.snapshots.enabled`.
"""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 (Airflow reads only files that name it)

from marketlake import settings
from marketlake_airflow.snapshots_dag import snapshots_dags

globals().update(snapshots_dags(settings.load(), __doc__))
