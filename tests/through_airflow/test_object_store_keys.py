"""Whose keys tasks reach an object store with, and what Airflow masks of them. Without a running Airflow."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import redact

from connections import FakeConnection
from marketlake import settings
from marketlake.errors import KeyMissing, SettingsError, StopAndTell
from marketlake.storage.s3.access import Access
from marketlake.storage.s3.storage import S3Storage
from marketlake_airflow import lake
from marketlake_airflow.lake import MaskedAccess, lake_of

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "access-key-one-aaaa", "AWS_SECRET_ACCESS_KEY": "secret+of/key-one"}


def stored(monkeypatch: pytest.MonkeyPatch, login: str = "", password: str = "", **extras: Any) -> None:
    connection: Any = FakeConnection("", password)
    connection.login, connection.extra_dejson = login, extras
    monkeypatch.setattr(lake.BaseHook, "get_connection", lambda _: connection)


def none_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise AirflowNotFoundException(name)

    monkeypatch.setattr(lake.BaseHook, "get_connection", absent)


def test_without_a_connection_the_environment_counts_and_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert str(MaskedAccess(None)()) == "****aaaa from AWS_ACCESS_KEY_ID of the environment"
    assert redact("x secret+of/key-one y secret%2Bof%2Fkey-one z access-key-one-aaaa") == "x *** y *** z ***"


def test_a_connection_counts_before_the_environment_and_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    extras = {"region_name": "eu-west-1", "endpoint_url": "https://Store.example/", "aws_session_token": "token-of-two"}
    stored(monkeypatch, "access-key-two-bbbb", "secret+of/key-two", **extras)
    assert MaskedAccess("lake_keys")() == Access(
        "the connection lake_keys", "access-key-two-bbbb", "secret+of/key-two", "token-of-two",
        region="eu-west-1", endpoint_url="https://store.example",
    )  # fmt: skip
    assert redact("x secret+of/key-two y secret%2Bof%2Fkey-two z token-of-two") == "x *** y *** z ***"


@pytest.mark.parametrize(
    ("login", "password", "extras", "kind", "because"),
    [
        ("", "secret", {}, KeyMissing, "the connection lake_keys (storage.connection) lacks a login: set the access"),
        ("access", "", {}, KeyMissing, "the connection lake_keys (storage.connection) lacks a password: set"),
        ("a", "b", {"role_arn": "arn:hidden"}, SettingsError, "the connection lake_keys has the extra 'role_arn'"),
        ("a", "b", {"endpoint_url": "store:8333"}, SettingsError, "the extra endpoint_url of the connection lake_keys"),
    ],
)  # fmt: skip
def test_a_connection_that_does_not_serve_is_named(
    monkeypatch: pytest.MonkeyPatch, login: str, password: str, extras: dict[str, Any], kind: type, because: str
) -> None:
    stored(monkeypatch, login, password, **extras)
    with pytest.raises(StopAndTell) as caught:
        MaskedAccess("lake_keys")()
    assert type(caught.value) is kind
    assert str(caught.value).startswith(because)
    assert "hidden" not in str(caught.value)


def test_a_connection_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    none_stored(monkeypatch)
    with pytest.raises(KeyMissing, match=r"^there is no connection lake_keys, which storage\.connection names: create"):
        MaskedAccess("lake_keys")()


def test_nothing_is_asked_for_before_the_lake_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    none_stored(monkeypatch)
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", "s3://the-lake/spy")
    monkeypatch.setenv("MARKETLAKE__STORAGE__CONNECTION", "lake_keys")
    storage = lake_of(settings.load()).storage
    assert isinstance(storage, S3Storage)
    assert storage.where == "s3://the-lake/spy"
    assert pickle.loads(pickle.dumps(storage)).where == "s3://the-lake/spy"
    with pytest.raises(KeyMissing, match="there is no connection lake_keys"):
        storage.get("a/key")
