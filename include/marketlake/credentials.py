"""The vendor's API key: where it was found, and how it may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketlake.errors import KeyMissing
from marketlake.redaction import redacted

KEY_VARIABLES = ("POLYGON_API_KEY", "MASSIVE_API_KEY")


@dataclass(frozen=True)
class ApiKey:
    """A key and its origin. Its text form never holds more than the last four characters."""

    value: str = field(repr=False)
    origin: str

    def __str__(self) -> str:
        return f"{redacted(self.value)} from {self.origin}"


def key_from_environment(environment: Mapping[str, str]) -> ApiKey:
    """The key in ``POLYGON_API_KEY``, else in ``MASSIVE_API_KEY``. Raises KeyMissing."""
    for name in KEY_VARIABLES:
        value = environment.get(name, "").strip()
        if value:
            return ApiKey(value, name)
    raise KeyMissing(
        "no API key: put POLYGON_API_KEY=... into .env (make env writes one), or set the password of the"
        " Airflow connection polygon_default."
    )
