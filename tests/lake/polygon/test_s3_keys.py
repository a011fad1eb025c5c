"""The keys of the flat files: where they are found, what is none, and how little of them is shown."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from marketlake import settings
from marketlake.errors import KeyMissing, KeyUnusable, SettingsError, StopAndTell
from marketlake.polygon.s3_keys import S3Keys, keys_from_environment, keys_of

IDENTITY, SECRET = "9e922ec1-access-key-id", "secret-access-key-of-somebody-wxyz"
POLYGON = {"POLYGON_S3_ACCESS_KEY_ID": IDENTITY, "POLYGON_S3_SECRET_ACCESS_KEY": SECRET}
MASSIVE = {"MASSIVE_S3_ACCESS_KEY_ID": "other-access-key-id-abcd", "MASSIVE_S3_SECRET_ACCESS_KEY": "another-secret-key"}
NAMES = ("login", "password")


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, None),
        (POLYGON, "****y-id from POLYGON_S3_ACCESS_KEY_ID"),
        (MASSIVE, "****abcd from MASSIVE_S3_ACCESS_KEY_ID"),
        (POLYGON | MASSIVE, "****y-id from POLYGON_S3_ACCESS_KEY_ID"),
        (dict.fromkeys(POLYGON, "") | MASSIVE, "****abcd from MASSIVE_S3_ACCESS_KEY_ID"),
        ({name: f" '{value}'\n" for name, value in POLYGON.items()}, "****y-id from POLYGON_S3_ACCESS_KEY_ID"),
    ],
)
def test_the_keys_come_from_the_environment_and_show_four_characters(
    environment: dict[str, str], shown: str | None
) -> None:
    keys = keys_from_environment(environment)
    assert (str(keys) if keys else None) == shown
    assert SECRET not in f"{keys}{keys!r}"
    assert IDENTITY not in f"{keys}{keys!r}"


def test_white_space_and_quotes_are_no_part_of_them() -> None:
    keys = keys_from_environment({name: f' "{value}" ' for name, value in POLYGON.items()})
    assert keys == S3Keys(IDENTITY, SECRET, "POLYGON_S3_ACCESS_KEY_ID")


def test_they_are_read_from_an_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("".join(f"{name}={value}\n" for name, value in POLYGON.items()))
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(path))
    assert keys_from_environment(settings.environment()) == S3Keys(IDENTITY, SECRET, "POLYGON_S3_ACCESS_KEY_ID")


@pytest.mark.parametrize(
    ("environment", "error", "words"),
    [
        (
            {"POLYGON_S3_ACCESS_KEY_ID": IDENTITY},
            KeyMissing,
            "incomplete: there is POLYGON_S3_ACCESS_KEY_ID, but no POLYGON_S3_SECRET_ACCESS_KEY. The vendor's",
        ),
        (
            {"POLYGON_S3_SECRET_ACCESS_KEY": SECRET} | MASSIVE,  # never one of each
            KeyMissing,
            "incomplete: there is POLYGON_S3_SECRET_ACCESS_KEY, but no POLYGON_S3_ACCESS_KEY_ID.",
        ),
        (
            POLYGON | {"POLYGON_S3_SECRET_ACCESS_KEY": "a secret of-two"},
            KeyUnusable,
            "POLYGON_S3_SECRET_ACCESS_KEY from",
        ),
        (POLYGON | {"POLYGON_S3_ACCESS_KEY_ID": "a-\nsecret"}, KeyUnusable, "POLYGON_S3_ACCESS_KEY_ID from"),
        (POLYGON | {"POLYGON_S3_SECRET_ACCESS_KEY": "sécret-of-two"}, KeyUnusable, "a character beyond ASCII"),
    ],
)
def test_what_cannot_serve_is_told_without_it(environment: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(StopAndTell) as caught:
        keys_from_environment(environment)
    assert type(caught.value) is error
    assert words in str(caught.value)
    told = "".join(traceback.format_exception(caught.value))
    for secret in (IDENTITY, SECRET, "of-two", "sécret", "-\nsecret"):
        assert secret not in told


def test_of_a_connection_its_fields_are_named() -> None:
    with pytest.raises(KeyMissing, match=r"from the connection x are incomplete: there is login, but no password\."):
        keys_of(IDENTITY, "", "the connection x", NAMES)


def test_of_a_text_of_others_neither_is_left() -> None:
    hidden = S3Keys(IDENTITY, SECRET, "a test").hidden(f"AWSAccessKeyId {IDENTITY}, signed with {SECRET}")
    assert hidden == "AWSAccessKeyId ****y-id, signed with ****wxyz"


@pytest.mark.parametrize("variable", [*POLYGON, *MASSIVE])
def test_one_that_was_put_where_a_setting_belongs_is_not_told(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, SECRET)
    monkeypatch.setenv("MARKETLAKE__API__ATTEMPTS", SECRET)
    with pytest.raises(SettingsError, match=r"'\*\*\*\*wxyz'") as caught:
        settings.load()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["access_key_id", "secret_access_key"])
def test_no_key_is_taken_from_the_settings_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"options: {{flat_files: {{{name}: {SECRET}}}}}")
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(path))
    with pytest.raises(SettingsError, match=f"options.flat_files.{name} looks like a secret") as caught:
        settings.load()
    assert SECRET not in str(caught.value)
