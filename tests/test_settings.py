"""Settings: what is read from where, and one line for what is wrong."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from marketlake import settings
from marketlake.errors import SettingsError


def test_the_file_of_the_project_holds_the_documented_defaults() -> None:
    loaded = settings.load()
    assert loaded.tickers == ("SPY",)
    assert loaded.api.base_url == "https://api.massive.com"
    assert loaded.api.page_limit == 50_000
    assert loaded.history.start_date == dt.date(2003, 9, 10)
    assert loaded.schedule.ready_time == dt.time(11, 30)
    assert loaded.schedule.catch_up_sessions == 60
    assert loaded.bars.adjusted is False


def test_the_file_names_every_setting_of_the_model() -> None:
    document = settings._yaml_document()
    for section, field in settings.Settings.model_fields.items():
        names = getattr(field.annotation, "model_fields", None)
        assert section in document
        if names:
            assert sorted(document[section]) == sorted(names), section


def test_environment_beats_env_file_beats_yaml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("MARKETLAKE__API__ATTEMPTS=7\nMARKETLAKE__API__PAGE_LIMIT=9\nPOLYGON_API_KEY=k\nOTHER=x\n")
    monkeypatch.setattr(settings, "env_file", lambda: env_file)
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "11")
    loaded = settings.load()
    assert (loaded.api.attempts, loaded.api.page_limit, loaded.api.read_timeout_s) == (7, 11, 60)


def test_an_empty_line_in_the_env_file_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("MARKETLAKE__API__ATTEMPTS=\nPOLYGON_BASE_URL=\n")
    monkeypatch.setattr(settings, "env_file", lambda: env_file)
    assert settings.load().api.attempts == 5


def test_the_plain_base_url_beats_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__API__BASE_URL", "https://one.example.com")
    monkeypatch.setenv("POLYGON_BASE_URL", "https://two.example.com/")
    assert settings.load().api.base_url == "https://two.example.com"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        (
            "MARKETLAKE__STORAGE__ROOTT",
            "/x",
            "storage.roott (MARKETLAKE__STORAGE__ROOTT) is no setting: known are root,",
        ),
        ("MARKETLAKE__STORE__ROOT", "/x", "MARKETLAKE__STORE__ROOT names no setting: sections are api, audit, bars,"),
        ("MARKETLAKE__API__ATTEMPTS", "many", "api.attempts (MARKETLAKE__API__ATTEMPTS) = 'many': Input should be"),
        ("MARKETLAKE__API__PAGE_LIMIT", "50001", "Input should be less than or equal to 50000"),
        ("MARKETLAKE__TICKERS", "SPY", "Lists and maps are written as JSON"),
        ("MARKETLAKE__TICKERS", '["spy/../x"]', "no stock ticker"),
        ("MARKETLAKE__BARS__SIZE", "1 minute", "Input should be '1 second'"),
        ("MARKETLAKE__HISTORY__END_DATE", "2003-01-01", "end_date 2003-01-01 is before start_date 2003-09-10"),
        ("MARKETLAKE__SCHEDULE__READY_TIME", "09:30", "before 11:00, when bars become final"),
        ("POLYGON_BASE_URL", "http://api.example.com", "api.base_url (POLYGON_BASE_URL) = 'http://api.example.com'"),
        ("MARKETLAKE__QUALITY__ACCEPT", '{"SPY": {"2004-03-02": ["outside_day"]}}', "quality.accept.SPY"),
        ("MARKETLAKE__STORAGE__ROOT", "s3://bucket/lake", "object stores are not supported in this version"),
        ("POLYGON_BASE_URL", "https://api.polygon.io?apiKey=SECRETSECRET1234", "?apiKey=****1234"),
        ("POLYGON_BASE_URL", "https://user:SECRETSECRET1234@api.polygon.io", "= 'https://api.polygon.io': must be"),
    ],
)
def test_a_wrong_variable_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        settings.load()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "SECRETSECRET" not in str(caught.value)


def test_a_compression_level_that_gzip_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__COMPRESSION", "gzip")
    monkeypatch.setenv("MARKETLAKE__STORAGE__COMPRESSION_LEVEL", "15")
    with pytest.raises(SettingsError, match="compression_level 15 is too high for gzip: 1 to 9"):
        settings.load()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("api: {api_key: sk-123}", "api.api_key looks like a secret. Secrets belong into .env"),
        ("polygon_token: sk-123", "polygon_token looks like a secret"),
        ("api: {attempts: x}", "api.attempts (settings.yaml) = 'x'"),
        ("api: {attemps: 3}", "api.attemps (settings.yaml) is no setting: known are base_url,"),
        ("apis: {attempts: 3}", "apis (settings.yaml) is no setting: known are tickers,"),
        ("- a list", "must hold sections"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(path))
    with pytest.raises(SettingsError) as caught:
        settings.load()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "sk-123" not in str(caught.value)


def test_waivers_are_found_by_ticker_and_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__QUALITY__ACCEPT", '{"SPY": {"2004-03-02": ["low_above_open"]}}')
    loaded = settings.load()
    assert loaded.waivers("SPY", dt.date(2004, 3, 2)) == ("low_above_open",)
    assert loaded.waivers("SPY", dt.date(2004, 3, 3)) == ()
