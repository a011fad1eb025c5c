"""The hook of the flat files, without a running Airflow: whose keys, which address, and what Airflow masks."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import redact

from connections import FakeConnection
from marketlake import commands, settings
from marketlake.errors import KeyMissing, KeyUnusable, SettingsError, StopAndTell
from marketlake.polygon.flat_file_bucket import FlatFileBucket
from marketlake_airflow.flat_files_hook import FlatFilesHook

POLYGON = {"POLYGON_S3_ACCESS_KEY_ID": "access-key-one-aaaa", "POLYGON_S3_SECRET_ACCESS_KEY": "secret-of-key-one"}
MASSIVE = {"MASSIVE_S3_ACCESS_KEY_ID": "access-key-two-bbbb", "MASSIVE_S3_SECRET_ACCESS_KEY": "secret-of-key-two"}
VENDOR = "s3://flatfiles at https://files.massive.com"


def a_connection(login: str = "access-key-three-cccc", password: str = "secret-of-key-three", **fields: Any) -> Any:
    connection = FakeConnection("", password)
    connection.login = login
    for name, value in fields.items():
        setattr(connection, name, value)
    return connection


def bucket_for(
    monkeypatch: pytest.MonkeyPatch, connection: Any = None, environment: dict[str, str] | None = None
) -> FlatFileBucket:
    def stored(_hook: FlatFilesHook, name: str) -> Any:
        assert name == "polygon_flat_files"
        if connection is None:
            raise AirflowNotFoundException(name)
        return connection

    for name, value in (environment or {}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(FlatFilesHook, "get_connection", stored)
    return FlatFilesHook().bucket(settings.load())


@pytest.mark.parametrize(
    ("connection", "environment", "shown"),
    [
        (None, POLYGON | MASSIVE, f"{VENDOR} with S3 keys ****aaaa from POLYGON_S3_ACCESS_KEY_ID"),
        (None, MASSIVE, f"{VENDOR} with S3 keys ****bbbb from MASSIVE_S3_ACCESS_KEY_ID"),
        (a_connection(), POLYGON, f"{VENDOR} with S3 keys ****cccc from the connection polygon_flat_files"),
        (a_connection("", ""), POLYGON, f"{VENDOR} with S3 keys ****aaaa from POLYGON_S3_ACCESS_KEY_ID"),
        (a_connection("", "", host="files.polygon.io"), POLYGON, f"{VENDOR} with S3 keys ****aaaa"),
        (a_connection(host="files.polygon.io"), {}, "s3://flatfiles at https://files.polygon.io with S3 keys ****cccc"),
        (
            a_connection(host="127.0.0.1", schema="http", port=8333), {},
            "s3://flatfiles at http://127.0.0.1:8333 with S3 keys ****cccc",
        ),
    ],
)  # fmt: skip
def test_the_keys_come_from_the_connection_else_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    connection: Any,
    environment: dict[str, str],
    shown: str,
) -> None:
    assert str(bucket_for(monkeypatch, connection, environment)).startswith(shown)
    logged = "".join(capsys.readouterr())
    assert f"flat files: {shown}" in logged
    for secret in ("secret-of", "access-key"):
        assert secret not in logged


@pytest.mark.parametrize(
    ("connection", "error", "words"),
    [
        (
            a_connection("hunter2", ""),
            KeyMissing,
            "the connection polygon_flat_files are incomplete: there is login, but",
        ),
        (a_connection("", "hunter2"), KeyMissing, "there is password, but no login"),
        (
            a_connection(password="hunter2 hunter2"),
            KeyUnusable,
            "password from the connection polygon_flat_files holds",
        ),
        (a_connection(host="http://files.polygon.io"), SettingsError, "connection polygon_flat_files must be https"),
        (a_connection(host="https://u:hunter2@h"), SettingsError, "the host of the connection polygon_flat_files must"),
        (None, KeyMissing, "put POLYGON_S3_ACCESS_KEY_ID=... and POLYGON_S3_SECRET_ACCESS_KEY=... into .env"),
        (None, KeyMissing, "Airflow connection polygon_flat_files. Without them: options.source = rest"),
    ],
)
def test_what_cannot_serve_is_told_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, connection: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(StopAndTell) as caught:
        bucket_for(monkeypatch, connection)
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_without_keys_in_a_container_the_error_names_no_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(commands, "checkout", lambda: tmp_path)
    with pytest.raises(KeyMissing, match="give every container POLYGON_S3_ACCESS_KEY_ID and POLYGON_S3_SEC") as caught:
        bucket_for(monkeypatch)
    assert "make" not in str(caught.value)


def test_airflow_masks_both_keys_and_what_extras_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = a_connection(extra_dejson={"region": "extra-of-somebody"})
    bucket_for(monkeypatch, connection)
    texts = ("access-key-three-cccc", "secret-of-key-three", "extra-of-somebody")
    assert [redact(f"it is {text}") for text in texts] == ["it is ***"] * 3


def test_a_strange_secret_is_masked_as_python_and_json_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = """k+/&?%=<.*>$(x)[^]|{}"'\\-9-Zz9Z"""
    bucket_for(monkeypatch, a_connection(password=strange))
    for written in (strange, repr({"secret": strange})[12:-2], json.dumps(strange)[1:-1]):
        assert redact(f"it is {written}") == "it is ***"


def test_what_is_in_the_environment_is_masked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket_for(monkeypatch, None, POLYGON)
    assert [redact(f"it is {text}") for text in POLYGON.values()] == ["it is ***"] * 2
