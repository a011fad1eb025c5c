"""The commands that messages name, as the place where they are read has them.

In a checkout that is ``make``. An image holds no Makefile, and neither does what is installed from a wheel: there it is
Airflow's own command, and what ``make`` would have said before and after stays unsaid.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

from marketlake.dataset_names import OPTIONS, UNNAMED, dag_id, made_as
from marketlake.settings import checkout

_NO_KEY_HERE = (
    "no API key: put POLYGON_API_KEY=... into .env (make env writes one), or set the password of the"
    " Airflow connection polygon_default."
)
_NO_KEY_IN_A_CONTAINER = (
    "no API key: give every container POLYGON_API_KEY (with Docker Compose: in .env, then  docker compose up -d), or"
    " set the password of the Airflow connection polygon_default."
)
_NO_S3_KEYS_HERE = (
    "no S3 keys for the vendor's flat files: put POLYGON_S3_ACCESS_KEY_ID=... and POLYGON_S3_SECRET_ACCESS_KEY=... into"
    " .env, or set login and password of the Airflow connection polygon_flat_files. Without them:"
    " options.source = rest."
)
_NO_S3_KEYS_IN_A_CONTAINER = (
    "no S3 keys for the vendor's flat files: give every container POLYGON_S3_ACCESS_KEY_ID and"
    " POLYGON_S3_SECRET_ACCESS_KEY (with Docker Compose: in .env, then  docker compose up -d), or set login and"
    " password of the Airflow connection polygon_flat_files. Without them: options.source = rest."
)


def in_a_checkout() -> bool:
    """Whether ``make`` can be called where this runs."""
    folder = checkout()
    return folder is not None and (folder / "Makefile").is_file()


def fetching(dataset: str, ticker: str, first: dt.date, last: dt.date, *, tickers: Sequence[str], again: bool) -> str:
    """The command that fetches a dataset's sessions from ``first`` to ``last``, both included.

    ``tickers``: those that the settings have a DAG for. ``again``: also sessions whose run succeeded.
    """
    dataset = made_as(dataset)  # a session of options is fetched together
    if in_a_checkout():
        own = "" if ticker in tickers else f"{_switched_on(dataset, [ticker])} "
        of = "" if dataset == UNNAMED else f"DATASET={dataset} "
        of += f"TICKER={ticker} " if ticker in tickers and len(tickers) > 1 else ""
        return f"{own}make backfill {of}FROM={first} TO={last}{' REFETCH=1' if again else ''}"
    own = "" if ticker in tickers else f"give every container {_switched_on(dataset, [*tickers, ticker])}, then "
    anew = " --dag-run-conf '{\"refetch\": true}'" if again and dataset == OPTIONS else ""
    return (
        f"{own}airflow backfill create --dag-id {dag_id(dataset, ticker)} --from-date {first} --to-date {last}"
        f" --reprocess-behavior {'completed' if again else 'failed'}{anew}"
    )


def from_a_backup(ticker: str, first: dt.date, last: dt.date) -> str:
    """What is left to do about sessions that nobody can fetch again."""
    days = f"{first}" if first == last else f"{first} to {last}"
    return f"take {ticker} {days} from a backup: what was shown then cannot be fetched again"


def fetching_any(dataset: str = UNNAMED) -> str:
    """The command that fetches sessions of a dataset, whichever those are to be."""
    if not in_a_checkout():
        return "airflow backfill create"
    name = made_as(dataset)
    return f"make backfill {'' if name == UNNAMED else f'DATASET={name} '}FROM=... TO=..."


def _switched_on(dataset: str, tickers: Sequence[str]) -> str:
    """The variables with which those tickers of a dataset are collected."""
    if dataset == OPTIONS:
        return f"MARKETLAKE__OPTIONS__ENABLED=true MARKETLAKE__OPTIONS__TICKERS='{json.dumps(tickers)}'"
    variable = "MARKETLAKE__TICKERS" if dataset == UNNAMED else f"MARKETLAKE__DATASETS__{dataset.upper()}__TICKERS"
    return f"{variable}='{json.dumps(tickers)}'"


def no_key() -> str:
    """What is wrong without a key, and where one goes."""
    return _NO_KEY_HERE if in_a_checkout() else _NO_KEY_IN_A_CONTAINER


def no_s3_keys() -> str:
    """The same of the keys for flat files."""
    return _NO_S3_KEYS_HERE if in_a_checkout() else _NO_S3_KEYS_IN_A_CONTAINER
