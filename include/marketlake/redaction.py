"""How a secret may be shown: at most its last four characters."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SECRET_QUERY_NAMES = frozenset({"apikey", "api_key", "key", "token", "access_token"})
_SHORTEST_TAIL_SHOWN = 12


def redacted(secret: str) -> str:
    """``****`` and the last four characters; of a secret under 12 characters, nothing at all."""
    return "****" + (secret[-4:] if len(secret) >= _SHORTEST_TAIL_SHOWN else "")


def without_secret(text: str, secret: str) -> str:
    """``text`` with every occurrence of ``secret`` redacted."""
    return text.replace(secret, redacted(secret)) if secret else text


def redacted_url(url: str) -> str:
    """``url`` without user info and with the value of every key-like query field redacted."""
    parts = urlsplit(url)
    query = [
        (name, redacted(value) if name.lower() in _SECRET_QUERY_NAMES else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, safe="*"), ""))
