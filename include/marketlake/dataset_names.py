"""The names of datasets, and those that a ticker's data goes by in Airflow: kept in files and in its database, so that
none of them may change.
"""

from __future__ import annotations

SECOND_BARS = "second_bars"
MINUTE_BARS = "minute_bars"
NAMES = (SECOND_BARS, MINUTE_BARS)
"""In the order in which commands go through them."""
OPTION_CHAIN = "option_chain"
OPTION_SELECTION = "option_selection"
OPTION_BARS = "option_bars"
OPTION_PANEL = "option_panel"
OPTION_NAMES = (OPTION_CHAIN, OPTION_SELECTION, OPTION_BARS, OPTION_PANEL)
"""In the order in which a session of them is made."""
OPTION_SNAPSHOTS = "option_snapshots"
"""Collected on the session itself; no part of what follows."""
OPTIONS = "options"
"""The four of them together: what commands and DAGs are of."""
UNNAMED = SECOND_BARS
"""The dataset that messages do not name."""


def made_as(dataset: str) -> str:
    """What commands and DAGs of a dataset are of: itself, or the options that it is a part of."""
    return OPTIONS if dataset in OPTION_NAMES else dataset


def title(dataset: str, of: str) -> str:
    """What is ``of`` a ticker, in words: of second bars, it alone; else with the dataset's name behind it."""
    return of if dataset == UNNAMED else f"{of} {dataset.replace('_', ' ')}"


def run_title(dataset: str, ticker: str) -> str:
    """What a run is of, in words: always with the dataset's name."""
    return f"{ticker} {dataset.replace('_', ' ')}"


def audit_title(dataset: str, ticker: str) -> str:
    """What an audit is of, in words."""
    return f"{title(dataset, ticker)} audit"


def dag_id(dataset: str, ticker: str) -> str:
    """The DAG that fetches the ticker's rows of a dataset; their asset has the same name."""
    return f"{ticker.lower()}_{made_as(dataset)}"


def audit_dag_id(dataset: str, ticker: str) -> str:
    """The DAG that looks at them again."""
    return f"{ticker.lower()}_{'bars' if dataset == SECOND_BARS else made_as(dataset)}_audit"
