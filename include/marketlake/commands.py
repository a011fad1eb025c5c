"""The commands that messages name, as the place where they are read has them.

In a checkout that is ``make``. An image holds no Makefile, and neither does what is installed from a wheel: there it is
Airflow's own command, and what ``make`` would have said before and after stays unsaid.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

from marketlake.dataset_names import UNNAMED, dag_id
from marketlake.settings import checkout

_NO_KEY_HERE = (
    "no API key: put POLYGON_API_KEY=... into .env (make env writes one), or set the password of the"
    " Airflow connection polygon_default."
)
_NO_KEY_IN_A_CONTAINER = (
    "no API key: give every container POLYGON_API_KEY (with Docker Compose: in .env, then  docker compose up -d), or"
    " set the password of the Airflow connection polygon_default."
)


def in_a_checkout() -> bool:
    """Whether ``make`` can be called where this runs."""
    folder = checkout()
    return folder is not None and (folder / "Makefile").is_file()


def fetching(dataset: str, ticker: str, first: dt.date, last: dt.date, *, tickers: Sequence[str], again: bool) -> str:
    """The command that fetches a dataset's sessions from ``first`` to ``last``, both included.

    ``tickers``: those that the settings have a DAG for. ``again``: also sessions whose run succeeded.
    """
    if in_a_checkout():
        own = "" if ticker in tickers else f"{_variable(dataset)}='{json.dumps([ticker])}' "
        of = "" if dataset == UNNAMED else f"DATASET={dataset} "
        return f"{own}make backfill {of}FROM={first} TO={last}{' REFETCH=1' if again else ''}"
    with_it = json.dumps([*tickers, ticker])
    own = "" if ticker in tickers else f"give every container {_variable(dataset)}='{with_it}', then "
    return (
        f"{own}airflow backfill create --dag-id {dag_id(dataset, ticker)} --from-date {first} --to-date {last}"
        f" --reprocess-behavior {'completed' if again else 'failed'}"
    )


def from_a_backup(ticker: str, first: dt.date, last: dt.date) -> str:
    """What is left to do about sessions that nobody can fetch again."""
    days = f"{first}" if first == last else f"{first} to {last}"
    return f"take {ticker} {days} from a backup: what was shown then cannot be fetched again"


def fetching_any() -> str:
    """The command that fetches sessions, whichever those are to be."""
    return "make backfill FROM=... TO=..." if in_a_checkout() else "airflow backfill create"


def _variable(dataset: str) -> str:
    """The variable with a dataset's tickers."""
    return "MARKETLAKE__TICKERS" if dataset == UNNAMED else f"MARKETLAKE__DATASETS__{dataset.upper()}__TICKERS"


def no_key() -> str:
    """What is wrong without a key, and where one goes."""
    return _NO_KEY_HERE if in_a_checkout() else _NO_KEY_IN_A_CONTAINER
