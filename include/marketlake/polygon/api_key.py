"""The vendor's API key: where it was found, and how it may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketlake.errors import KeyUnusable
from marketlake.redaction import redacted
from marketlake.settings.variables import KEY_VARIABLES


@dataclass(frozen=True)
class ApiKey:
    """A key and its origin. Its text form never holds more than the last four characters."""

    value: str = field(repr=False)
    origin: str

    def __str__(self) -> str:
        return f"{redacted(self.value)} from {self.origin}"


def key_of(text: str, origin: str) -> ApiKey | None:
    """The key in a text, without white space and quotes around it; None if nothing is left.

    Raises KeyUnusable if it could not travel in a header: the HTTP library's own error would show it.
    """
    value = text.strip().strip("'\"").strip()
    if not value:
        return None
    if not all("!" <= character <= "~" for character in value):
        raise KeyUnusable(
            f"the API key from {origin} holds a space, a line break or a character beyond ASCII, which no key does:"
            " copy it again from the vendor's dashboard."
        )
    return ApiKey(value, origin)


def key_from_environment(environment: Mapping[str, str]) -> ApiKey | None:
    """The key in ``POLYGON_API_KEY``, else in ``MASSIVE_API_KEY``; None without both. Raises KeyUnusable."""
    keys = (key_of(environment.get(name, ""), name) for name in KEY_VARIABLES)
    return next((key for key in keys if key is not None), None)
