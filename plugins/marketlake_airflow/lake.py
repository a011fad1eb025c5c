"""The lake of the settings for what Airflow runs: an object store's keys may come from a connection, and are masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from marketlake.errors import KeyMissing, SettingsError
from marketlake.lake import Lake, system_clock
from marketlake.lake_storage import access_from_environment
from marketlake.redaction import forms
from marketlake.settings import Settings
from marketlake.settings.values import checked_store_url
from marketlake.storage.s3.access import Access

_EXTRAS = ("aws_session_token", "region_name", "endpoint_url")


def lake_of(configured: Settings) -> Lake:
    """The lake. Its place, if that is an object store, is asked for keys when it is first used."""
    return Lake(configured, now=system_clock, find_access=MaskedAccess(configured.storage.connection))


@dataclass(frozen=True)
class MaskedAccess:
    """Finds the keys of ``storage.connection``, else those of the environment, and has Airflow mask them.

    Login and password of the connection are access key and secret; of its extras ``aws_session_token``,
    ``region_name`` and ``endpoint_url``. Raises KeyMissing or SettingsError.
    """

    connection: str | None

    def __call__(self) -> Access:
        """The keys, as of now."""
        access = _of_connection(self.connection) if self.connection else access_from_environment()
        for secret in filter(None, (access.access_key_id, access.secret_access_key, access.session_token)):
            for form in forms(secret):
                mask_secret(form)
        return access


def _of_connection(name: str) -> Access:
    connection = _connection(name)
    extras = connection.extra_dejson
    unknown = sorted(set(extras) - set(_EXTRAS))
    if unknown:
        raise SettingsError(
            f"the connection {name} has the extra {unknown[0]!r}, which the lake does not know: it takes"
            f" {', '.join(_EXTRAS)}. Remove it, or use a profile or role (storage.connection: null)."
        )
    if not connection.login or not connection.password:
        raise KeyMissing(
            f"the connection {name} (storage.connection) lacks {'a password' if connection.login else 'a login'}: set"
            " the access key as login, and its secret as password."
        )
    return Access(
        f"the connection {name}",
        connection.login,
        connection.password,
        extras.get("aws_session_token"),
        region=extras.get("region_name"),
        endpoint_url=_checked(extras.get("endpoint_url"), name),
    )


def _checked(endpoint_url: str | None, name: str) -> str | None:
    try:
        return checked_store_url(endpoint_url) if endpoint_url else None
    except ValueError as exc:
        raise SettingsError(f"the extra endpoint_url of the connection {name} {exc}.") from None


def _connection(name: str) -> Any:
    try:
        return BaseHook.get_connection(name)
    except AirflowNotFoundException:
        raise KeyMissing(
            f"there is no connection {name}, which storage.connection names: create it, with the access key as login"
            " and its secret as password, or set storage.connection: null."
        ) from None
