"""The Polygon hook: connection and session from Airflow, everything else from ``marketlake``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from requests.exceptions import InvalidHeader
from requests.utils import check_header_validity

from marketlake.errors import SettingsError
from marketlake.polygon.api_key import key_of
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.client_with_key import client_with_key, key_without_connection
from marketlake.settings import Settings
from marketlake.settings.sections import Api
from marketlake.settings.values import checked_base_url

_PLAIN_OPTIONS = frozenset({"stream", "cert", "timeout", "verify", "verify_ssl", "allow_redirects", "max_redirects"})
"""The extras that hold no secret: options of the session, all of them but its proxies."""


class PolygonHook(HttpHook):
    """Hands an HTTP session and a key to a ``PolygonClient``.

    Key: the password of the connection ``polygon_default``, else ``POLYGON_API_KEY``, else
    ``MASSIVE_API_KEY``. A host in that connection goes with its password; otherwise ``api.base_url``.
    """

    conn_name_attr = "polygon_conn_id"
    default_conn_name = "polygon_default"
    conn_type = "http"
    hook_name = "Polygon.io (Massive)"

    def __init__(self, polygon_conn_id: str = default_conn_name) -> None:
        super().__init__(method="GET", http_conn_id=polygon_conn_id)
        self.polygon_conn_id = polygon_conn_id

    def client(self, configured: Settings) -> PolygonClient:
        """A client with this hook's session and key, within the machine's call budget.

        Raises KeyMissing, KeyUnusable or SettingsError.
        """
        api = configured.api
        connection = self._connection()
        host = (
            host_of(connection, self.polygon_conn_id) if connection is not None else ""
        )  # before the provider sees, and tells, it
        key = key_of(connection.password or "", f"the connection {self.polygon_conn_id}") if connection else None
        if key is not None:
            base_url = host or api.base_url
        else:
            key, base_url = key_without_connection(), api.base_url
        mask_secret(key.value)
        session = self._session(api, connection)
        self.log.info("API key %s, host %s", key, base_url)
        return client_with_key(configured, key, base_url, session)

    def _connection(self) -> Any:
        try:
            return self.get_connection(self.polygon_conn_id)
        except AirflowNotFoundException:
            return None

    def _session(self, api: Api, connection: Any) -> requests.Session:
        if connection is not None:
            mask_extras(connection.extra_dejson)
            session = self.get_conn()
            session.auth = None  # the client sends the key as a bearer token, never as basic auth
            self._require_sendable(session)
            return session
        self.base_url = api.base_url
        return self._configure_session_from_mount_adapters(requests.Session())

    def _require_sendable(self, session: requests.Session) -> None:
        """Raise SettingsError for an extra that could be no header: the error of ``requests`` would show its value."""
        for name, value in session.headers.items():
            try:
                check_header_validity((name, value))
            except InvalidHeader:
                raise SettingsError(
                    f"the extra {name!r} of the connection {self.polygon_conn_id} is no option of a session, and no"
                    " header either: its value must be one line of text. Change it in that connection."
                ) from None


def host_of(connection: Any, conn_id: str) -> str:
    """A connection's own address, held against the same rule as ``api.base_url``; empty without one.

    Raises SettingsError for one that would leak what is sent.
    """
    if not connection.host:
        return ""
    host = connection.host if "://" in connection.host else f"{connection.schema or 'https'}://{connection.host}"
    try:
        return checked_base_url(f"{host}:{connection.port}" if connection.port else host)
    except ValueError as exc:
        raise SettingsError(f"the host of the connection {conn_id} {exc}") from exc


def mask_extras(extras: dict[str, Any]) -> None:
    """Have Airflow mask what a connection's extras hold, whatever their names: they are sent as headers.

    By itself it masks only values whose names look sensitive. Of a proxy's address, its password too.
    """
    for name, value in extras.items():
        if name not in _PLAIN_OPTIONS:
            for text in _texts(value):
                mask_secret(text)
                with suppress(ValueError):
                    mask_secret(unquote(urlsplit(text).password or ""))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value from JSON, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from _texts(below)
