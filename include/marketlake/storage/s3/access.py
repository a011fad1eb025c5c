"""How an object store is reached, and with what rights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from marketlake.redaction import redacted, without_secret


@dataclass(frozen=True)
class S3Options:
    """Where the store is and how patient to be with it, as ``storage.*`` of the settings says.

    ``endpoint_url`` and ``region`` None: what boto3 finds by itself. ``attempts``: of one request, and of one body.
    """

    endpoint_url: str | None = None
    region: str | None = None
    addressing: str = "auto"
    attempts: int = 5
    connect_timeout_s: float = 10
    read_timeout_s: float = 60
    conditional: bool = True


@dataclass(frozen=True)
class Access:
    """With whose rights: keys with where they come from, or none, for what boto3 finds by itself (profiles, roles).

    Its text form holds at most the last four characters of the access key. ``region`` and ``endpoint_url``: what goes
    with the keys, if anything does.
    """

    origin: str
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None

    def __str__(self) -> str:
        return f"{redacted(self.access_key_id)} from {self.origin}" if self.access_key_id else self.origin

    def hidden(self, text: str) -> str:
        """A text without any of the keys."""
        for secret in filter(None, (self.secret_access_key, self.session_token, self.access_key_id)):
            text = without_secret(text, secret)
        return text


FindAccess = Callable[[], Access]
"""Finds the keys, in the process that needs them: no secret lies in anything that is sent to another one."""
