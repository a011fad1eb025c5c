"""An Airflow connection without an Airflow."""

from __future__ import annotations


class FakeConnection:
    """As much of an Airflow connection as the hook reads."""

    def __init__(self, host: str, password: str) -> None:
        self.host, self.password, self.login, self.port = host, password, "", None
        self.schema: str | None = None
        self.extra, self.extra_dejson = None, {}
