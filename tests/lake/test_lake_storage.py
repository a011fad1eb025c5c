"""The place of the settings' lake, and with whose keys it is reached. Nothing is asked for here."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from marketlake import settings
from marketlake.lake import Lake
from marketlake.lake_storage import access_from_environment, storage_of
from marketlake.storage.local import LocalStorage
from marketlake.storage.s3.access import Access, S3Options
from marketlake.storage.s3.storage import S3Storage

KEYS = {"AWS_ACCESS_KEY_ID": "access-key-aaaa", "AWS_SECRET_ACCESS_KEY": "the-secret-of-it"}


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def in_env_file(monkeypatch: pytest.MonkeyPatch, folder: Path, **variables: str) -> None:
    (folder / "an.env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(folder / "an.env"))


def test_a_folder_is_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, MARKETLAKE__STORAGE__ROOT=str(tmp_path))
    storage = Lake(settings.load()).storage
    assert isinstance(storage, LocalStorage)
    assert storage.where == str(tmp_path)


def test_a_bucket_is_reached_as_the_settings_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(
        monkeypatch, **KEYS,
        MARKETLAKE__STORAGE__ROOT="s3://the-lake/spy",
        MARKETLAKE__STORAGE__ENDPOINT_URL="http://Store:8333/",
        MARKETLAKE__STORAGE__REGION="eu-central-1",
        MARKETLAKE__STORAGE__ADDRESSING="path",
        MARKETLAKE__STORAGE__ATTEMPTS="3",
        MARKETLAKE__STORAGE__CONNECT_TIMEOUT_S="4",
        MARKETLAKE__STORAGE__READ_TIMEOUT_S="5",
        MARKETLAKE__STORAGE__CONDITIONAL_WRITES="one_machine",
        MARKETLAKE__LOGGING__FOLDER=str(tmp_path),
    )  # fmt: skip
    storage = storage_of(settings.load(), access_from_environment)
    assert isinstance(storage, S3Storage)
    assert storage.where == "s3://the-lake/spy"
    assert storage.reached[0] == S3Options("http://store:8333", "eu-central-1", "path", 3, 4, 5, conditional=False)
    assert storage.local_file("journal/x").is_relative_to(tmp_path / "object_stores")


def test_keys_are_of_the_environment_before_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_env_file(monkeypatch, tmp_path, AWS_ACCESS_KEY_ID="access-key-file", AWS_SECRET_ACCESS_KEY="of-the-file")
    assert access_from_environment() == Access("AWS_ACCESS_KEY_ID of .env", "access-key-file", "of-the-file")
    given(monkeypatch, **KEYS, AWS_SESSION_TOKEN="a-token", AWS_REGION="us-west-2")
    found = access_from_environment()
    assert found == Access(
        "AWS_ACCESS_KEY_ID of the environment", "access-key-aaaa", "the-secret-of-it", "a-token", region="us-west-2"
    )
    assert str(found) == "****aaaa from AWS_ACCESS_KEY_ID of the environment"
    assert "secret" not in repr(found)
    assert "token" not in repr(found).replace("session_token", "")


@pytest.mark.parametrize("lone", KEYS)
def test_half_a_key_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lone: str) -> None:
    in_env_file(monkeypatch, tmp_path, AWS_PROFILE="of-the-lake", AWS_DEFAULT_REGION="us-west-1", **{lone: KEYS[lone]})
    found = access_from_environment()
    assert (found.access_key_id, found.profile, found.region) == (None, "of-the-lake", "us-west-1")


def test_what_is_sent_to_another_process_holds_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, **KEYS, MARKETLAKE__STORAGE__ROOT="s3://the-lake", MARKETLAKE__LOGGING__FOLDER=str(tmp_path))
    storage = Lake(settings.load()).storage
    assert isinstance(storage, S3Storage)
    assert storage.reached[1].secret_access_key == "the-secret-of-it"  # it was used here already
    sent = pickle.dumps(storage)
    assert b"the-secret-of-it" not in sent
    assert b"access-key-aaaa" not in sent
    assert pickle.loads(sent).reached == storage.reached


@pytest.mark.parametrize("text", ["before the-secret-of-it after", "before the%2Dsecret%2Dof%2Dit after"])
def test_no_text_shows_a_key(text: str) -> None:
    hidden = Access("x", "access-key-aaaa", "the-secret-of-it", "a-long-token/1234").hidden
    assert "secret" not in hidden(text.replace("%2D", "-"))
    assert hidden("by access-key-aaaa, a-long-token/1234, a-long-token%2F1234") == "by ****aaaa, ****1234, ****1234"
