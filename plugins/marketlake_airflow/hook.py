"""The Polygon hook: connection and session from Airflow, everything else from ``marketlake``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from marketlake.call_budget import call_budget
from marketlake.client import PolygonClient
from marketlake.credentials import ApiKey, key_from_environment
from marketlake.errors import SettingsError
from marketlake.parameters import Api, checked_base_url
from marketlake.settings import Settings, environment


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
        """A client with this hook's session and key, within the machine's call budget. Raises KeyMissing."""
        api = configured.api
        connection = self._connection()
        session = self._session(api, connection)
        if connection is not None and connection.password:
            key = ApiKey(connection.password, f"the connection {self.polygon_conn_id}")
            base_url = self._host_of(connection) or api.base_url
        else:
            key, base_url = key_from_environment(environment()), api.base_url
        mask_secret(key.value)
        self.log.info("API key %s, host %s", key, base_url)
        budget = call_budget(configured, urlsplit(base_url).netloc)
        return PolygonClient(session, key, api, base_url=base_url, take_turn=budget.take_turn if budget else None)

    def _host_of(self, connection: Any) -> str:
        """The connection's own address, held against the same rule as ``api.base_url``; empty without one."""
        if not connection.host:
            return ""
        host = connection.host if "://" in connection.host else f"{connection.schema or 'https'}://{connection.host}"
        try:
            return checked_base_url(f"{host}:{connection.port}" if connection.port else host)
        except ValueError as exc:
            raise SettingsError(f"the host of the connection {self.polygon_conn_id} {exc}") from exc

    def _connection(self) -> Any:
        try:
            return self.get_connection(self.polygon_conn_id)
        except AirflowNotFoundException:
            return None

    def _session(self, api: Api, connection: Any) -> requests.Session:
        if connection is not None:
            session = self.get_conn()
            session.auth = None  # the client sends the key as a bearer token, never as basic auth
            return session
        self.base_url = api.base_url
        return self._configure_session_from_mount_adapters(requests.Session())
