"""A client that has its key, within the machine's call budget."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from marketlake import commands
from marketlake.errors import KeyMissing
from marketlake.polygon.api_key import ApiKey, key_from_environment
from marketlake.polygon.call_budget import budget_for
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from marketlake.settings import Settings, environment


def key_without_connection() -> ApiKey:
    """The key of the environment. Raises KeyMissing or KeyUnusable."""
    key = key_from_environment(environment())
    if key is None:
        raise KeyMissing(commands.no_key())
    return key


def client_with_key(configured: Settings, key: ApiKey, base_url: str, session: requests.Session) -> PolygonClient:
    """A client of a session, which waits for its turn if calls are limited."""
    budget = budget_for(configured, urlsplit(base_url).netloc)
    take_turn = budget.take_turn if budget else None
    return PolygonClient(Transport(session, key, configured.api, base_url=base_url, take_turn=take_turn))
