"""The names that a ticker's data goes by in Airflow. They are kept in its database, so none of them may change."""

from __future__ import annotations


def dag_id(ticker: str) -> str:
    """The DAG that fetches the ticker's second bars; their asset has the same name."""
    return f"{ticker.lower()}_second_bars"


def audit_dag_id(ticker: str) -> str:
    """The DAG that looks at them again."""
    return f"{ticker.lower()}_bars_audit"
