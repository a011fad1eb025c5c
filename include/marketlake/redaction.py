"""How a secret may be shown: a key at most by its last four characters, and of what a URL carries nothing."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

_HIDDEN = "****"
_SHORTEST_TAIL_SHOWN = 12
_PLAIN_QUERY_NAMES = frozenset({"adjusted", "sort", "order", "limit", "cursor"})
"""The query fields whose values are shown. Any other may be a secret, whatever its name."""


def redacted(secret: str) -> str:
    """``****`` and the last four characters; of a secret under 12 characters, nothing at all.

    Nor of one that ends in anything but letters, digits, ``-`` and ``_``, which could break what it is put into.
    """
    shown = len(secret) >= _SHORTEST_TAIL_SHOWN and re.fullmatch(r"[\w-]{4}", secret[-4:], re.ASCII)
    return _HIDDEN + (secret[-4:] if shown else "")


def forms(secret: str) -> list[str]:
    """The secret as it is and as it reads in a URL, in JSON, in HTML and in Python's own quotes; longest first."""
    written = {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        html.escape(secret),
        repr(secret)[1:-1],
    }
    return sorted(filter(None, written), key=len, reverse=True)


def without_secret(text: str, secret: str) -> str:
    """``text`` with every occurrence of ``secret`` redacted, in any of its forms."""
    for form in forms(secret):
        text = text.replace(form, redacted(secret))
    return text


def without_secret_bytes(body: bytes, secret: str) -> bytes:
    """The same for a body as it came."""
    for form in forms(secret):
        body = body.replace(form.encode(), redacted(secret).encode())
    return body


def without_url_secrets(text: str) -> str:
    """Text of others, such as an error of an HTTP library, without user info and query values of any URL in it."""
    text = re.sub(r"\S*@", f"{_HIDDEN}@", text)
    return re.sub(r"([?&;])([^=?&;\s]+)=([^&;\s]+)", _field_without_value, text)


def _field_without_value(field: re.Match[str]) -> str:
    separator, name, value = field.groups()
    return f"{separator}{name}={value if name in _PLAIN_QUERY_NAMES else _HIDDEN}"


def redacted_url(url: str) -> str:
    """``url`` without user info and fragment, and with every query value redacted but those known to be plain.

    If user info cannot be told from the rest, or the text is no address, nothing of it is shown.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return _HIDDEN
    if "@" in parts.path + parts.query + parts.fragment:
        return _HIDDEN
    query = [
        (name, value if name in _PLAIN_QUERY_NAMES else redacted(value)) if value else (_HIDDEN, "")
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, safe="*"), ""))
