"""The keys of the vendor's flat files, which are others than the API key: where they were found, how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketlake.errors import KeyMissing, KeyUnusable
from marketlake.redaction import redacted, without_secret
from marketlake.settings.variables import S3_KEY_VARIABLES


@dataclass(frozen=True)
class S3Keys:
    """An access key and its secret. Its text form holds at most the last four characters of the access key."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    origin: str

    def __str__(self) -> str:
        return f"{redacted(self.access_key_id)} from {self.origin}"

    def hidden(self, text: str) -> str:
        """A text without either of them."""
        return without_secret(without_secret(text, self.secret_access_key), self.access_key_id)


def keys_of(access_key_id: str, secret_access_key: str, origin: str, names: tuple[str, str]) -> S3Keys | None:
    """The keys in two texts, without white space and quotes around them; None if both are empty.

    ``names``: how messages call the two. Raises KeyMissing for one without the other, KeyUnusable for what no key is.
    """
    identity, secret = (text.strip().strip("'\"").strip() for text in (access_key_id, secret_access_key))
    if not identity and not secret:
        return None
    for name, other, value in zip(names, reversed(names), (identity, secret), strict=True):
        if not value:
            raise KeyMissing(
                f"the S3 keys from {origin} are incomplete: there is {other}, but no {name}. The vendor's dashboard"
                " shows both under Flat Files: set both."
            )
        if not all("!" <= character <= "~" for character in value):
            raise KeyUnusable(
                f"{name} from {origin} holds a space, a line break or a character beyond ASCII, which no S3 key does:"
                " copy it again from the vendor's dashboard."
            )
    return S3Keys(identity, secret, origin)


def keys_from_environment(environment: Mapping[str, str]) -> S3Keys | None:
    """The keys in ``POLYGON_S3_...``, else in ``MASSIVE_S3_...``, never one of each; None without any.

    Raises KeyMissing or KeyUnusable, as ``keys_of`` does.
    """
    for names in S3_KEY_VARIABLES:
        access_key_id, secret_access_key = (environment.get(name, "") for name in names)
        if keys := keys_of(access_key_id, secret_access_key, names[0], names):
            return keys
    return None
