"""
### Option chains, their bars, and a panel with implied volatility

`plan_sessions` decides which sessions this run fetches, looks ahead at a few of their chains, and refuses what could
take more requests than `options.max_requests_per_run`, or more calls than the plan has. The group `session` is mapped
over them, oldest first, so that a failed date alone is red and can be cleared alone:

| step | what it makes |
|---|---|
| `fetch_chain` | every contract that was listed on the session |
| `fetch_bars` | bars of the contracts that `options.selection` selects, or the evidence that one has none |
| `build_panel` | bars beside the underlying, implied volatility and greeks; waits for the underlying's second bars |

`report` tells what failed, is suspect or is missing. A step whose result is held and finished asks for nothing, unless
`refetch`. There is a DAG for each ticker of `options.tickers` if `options.enabled`. Settings: `include/settings.yaml`.
"""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 (Airflow reads only files that name it)

from marketlake import settings
from marketlake_airflow.options_dag import options_dags

globals().update(options_dags(settings.load(), __doc__))
