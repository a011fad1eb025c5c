"""Settings: what is read from where, and one line for what is wrong."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from marketlake import settings
from marketlake.errors import SettingsError
from marketlake.settings import variables
from marketlake.settings.yaml_file import yaml_document


def test_the_file_of_the_project_holds_the_documented_defaults() -> None:
    loaded = settings.load()
    assert loaded.datasets.each == (("second_bars", "SPY"),)
    assert loaded.api.base_url == "https://api.massive.com"
    assert loaded.api.page_limit == 50_000
    assert loaded.history.start_date == dt.date(2003, 9, 10)
    assert loaded.schedule.ready_time == dt.time(11, 30)
    assert loaded.schedule.catch_up_sessions == 60
    assert loaded.bars.adjusted is False


def test_the_file_names_every_setting_of_the_model() -> None:
    document = yaml_document()
    for section, field in settings.Settings.model_fields.items():
        names = getattr(field.annotation, "model_fields", None)
        assert section in document
        if names:
            assert sorted(document[section]) == sorted(names), section


def test_environment_beats_env_file_beats_yaml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("MARKETLAKE__API__ATTEMPTS=7\nMARKETLAKE__API__PAGE_LIMIT=9\nPOLYGON_API_KEY=k\nOTHER=x\n")
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(env_file))
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "11")
    loaded = settings.load()
    assert (loaded.api.attempts, loaded.api.page_limit, loaded.api.read_timeout_s) == (7, 11, 60)


def test_an_empty_line_in_the_env_file_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("MARKETLAKE__API__ATTEMPTS=\nPOLYGON_BASE_URL=\n")
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(env_file))
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
        ("marketlake__store__root", "/x", "marketlake__store__root names no setting: sections are api, audit, bars,"),
        ("MARKETLAKE_STORAGE__ROOT", "/x", "MARKETLAKE_STORAGE__ROOT names no setting: those are MARKETLAKE__SECTION_"),
        ("MARKETLAKE_STORAGE_ROOT", "/x", "MARKETLAKE_STORAGE_ROOT names no setting: those are MARKETLAKE__SECTION_"),
        ("MARKETLAKE_WEBHOOK", "/x", "names no setting: those are"),
        ("MARKETLAKE__STORAGE__ROOT", "~nobodyhere/x", "~nobodyhere is nobody's home on this machine: write the path"),
        ("MARKETLAKE__LOGGING__FOLDER", "~nobodyhere", "~nobodyhere is nobody's home on this machine: write the path"),
        ("POLYGON_BASE_URL", "https://example.com:abc", "a port is a number from 1 to 65535"),
        ("POLYGON_BASE_URL", "http://127.0.0.1:abc", "a port is a number from 1 to 65535"),
        ("POLYGON_BASE_URL", "https://example.com:99999", "a port is a number from 1 to 65535"),
        ("POLYGON_BASE_URL", "http://127.0.0.1:0", "a port is a number from 1 to 65535"),
        ("POLYGON_BASE_URL", "https://[::1", "api.base_url (POLYGON_BASE_URL) = '****': names no host and port that"),
        ("POLYGON_BASE_URL", "https://:443", "names no host and port that can be"),
        ("MARKETLAKE__TICKERS", "[true]", "tickers.0 (MARKETLAKE__TICKERS) = True: must be a text in quotes, such as"),
        ("MARKETLAKE__API__ATTEMPTS", "many", "api.attempts (MARKETLAKE__API__ATTEMPTS) = 'many': Input should be"),
        ("MARKETLAKE__API__PAGE_LIMIT", "50001", "Input should be less than or equal to 50000"),
        ("MARKETLAKE__TICKERS", "SPY", "MARKETLAKE__TICKERS is no JSON: lists and maps are written as JSON"),
        ("MARKETLAKE__TICKERS", '["spy/../x"]', "no stock ticker"),
        ("MARKETLAKE__BARS__SIZE", "1 minute", "Input should be '1 second'"),
        ("MARKETLAKE__HISTORY__END_DATE", "2003-01-01", "end_date 2003-01-01 is before start_date 2003-09-10"),
        ("MARKETLAKE__SCHEDULE__READY_TIME", "09:30", "is before 11:00, when bars become final"),
        ("MARKETLAKE__AUDIT__READY_TIME", "10:59", "is before 11:00, when bars become final"),
        ("MARKETLAKE__AUDIT__READY_TIME", "12:30Z", "must be without a zone: it is New York's time"),
        ("MARKETLAKE__LOGGING__FOLDER", "s3://bucket/logs", "must be a folder of this machine"),
        (
            "MARKETLAKE__REPORT__TO",
            '["https://hooks.example.com/services/SECRETSECRET1234"]',
            "https://hooks.example.com/****",
        ),
        ("POLYGON_BASE_URL", "http://api.example.com", "api.base_url (POLYGON_BASE_URL) = 'http://api.example.com'"),
        ("MARKETLAKE__QUALITY__ACCEPT", '{"SPY": {"2004-03-02": ["outside_day"]}}', "quality.accept.SPY"),
        ("MARKETLAKE__STORAGE__ROOT", "gs://bucket/lake", "begins with gs://, which is not supported: a folder, or s3"),
        ("MARKETLAKE__STORAGE__ENDPOINT_URL", "http://store:8333/path", "must be https://HOST or http://HOST without"),
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
        ("apis: {attempts: 3}", "apis (settings.yaml) is no setting: known are tickers, datasets,"),
        ("- a list", "must hold sections"),
        ("a: [", "cannot be read"),
        ("schedule: {ready_time: 11:45}", 'must be a time in quotes, such as "12:30"'),
        ("audit: {ready_time: 12:45}", 'must be a time in quotes, such as "12:30"'),
        ("api: {attempts: 3}\nquality: {}\napi: {}", "api stands twice, the second time in line 3: put all of it"),
        ("api: {attempts: 3, attempts: 4}", "attempts stands twice, the second time in line 1"),
        ("api.attempts: 3\napi: {attempts: 4}", "api.attempts stands twice, the other time under api"),
        (
            "quality.accept: {SPY: {2004-03-02: []}}\nquality: {accept: {SPY: {2004-03-09: []}}}",
            "quality.accept stands twice, the other time under quality: put all of it under one",
        ),
        ("tickers: [SPY, ON]", 'tickers.1 (settings.yaml) = True: must be a text in quotes, such as "ON"'),
        ("tickers: [SPY, QQQ, SPY]", "tickers (settings.yaml) = ['SPY', 'QQQ', 'SPY']: names SPY more than once"),
        ("tickers: [NO]", 'tickers.0 (settings.yaml) = False: must be a text in quotes, such as "ON"'),
        ("tickers: [2024-01-02]", 'must be a text in quotes, such as "ON"'),
        ("quality: {accept: {ON: {2004-03-02: []}}}", 'must be a text in quotes, such as "ON"'),
        ('storage: {root: "~nobodyhere/lake"}', "~nobodyhere is nobody's home on this machine: write the path in full"),
        ('storage: {root: "a\\0b"}', "holds a NUL character, which no path does"),
        ("api.attemps: 3", "api.attemps (settings.yaml) is no setting: known are base_url,"),
        ("api: 3", "api (settings.yaml) = 3: Input should be"),
        ("quality: {accept: {SPY: {2004-03-02: [no_such_check]}}}", "quality.accept.SPY.2004-03-02.0 (settings.yaml)"),
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


@pytest.mark.parametrize(
    ("text", "attempts", "ready_time"),
    [
        ("api.attempts: 7\nschedule.ready_time: '12:15'", 7, dt.time(12, 15)),
        ("api: {page_limit: 9}\napi.attempts: 7", 7, dt.time(11, 30)),
        ("api:\nschedule:", 5, dt.time(11, 30)),
        ("", 5, dt.time(11, 30)),
    ],
)
def test_a_line_with_the_name_that_messages_print_and_a_section_left_empty_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, attempts: int, ready_time: dt.time
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(path))
    loaded = settings.load()
    assert (loaded.api.attempts, loaded.schedule.ready_time) == (attempts, ready_time)


ONE_WAIVER = "quality: {accept: {SPY: {2004-03-02: [low_above_open]}}, max_silence_s: 60}"


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("MARKETLAKE__QUALITY__ACCEPT", "{}", {}),
        ("MARKETLAKE__QUALITY", '{"accept": {}}', {}),
        (
            "MARKETLAKE__QUALITY__ACCEPT",
            '{"SPY": {"2004-03-09": ["long_silence"]}}',
            {"SPY": {dt.date(2004, 3, 9): ("long_silence",)}},
        ),
        ("MARKETLAKE__QUALITY__ACCEPT", '{"QQQ": {}}', {"QQQ": {}}),
        ("MARKETLAKE__API__ATTEMPTS", "7", {"SPY": {dt.date(2004, 3, 2): ("low_above_open",)}}),
    ],
)
def test_a_map_of_a_variable_takes_the_place_of_the_files_and_leaves_the_lines_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, accepted: object
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(ONE_WAIVER)
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(path))
    monkeypatch.setenv(variable, value)
    loaded = settings.load()
    assert loaded.quality.accept == accepted
    assert loaded.quality.max_silence_s == 60


@pytest.mark.parametrize("name", ["settings.yaml", ".env"])
def test_a_file_that_is_no_text_is_told_with_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    for other in ("settings.yaml", ".env"):
        (tmp_path / other).write_bytes(b"")
    (tmp_path / name).write_bytes("# für SPY\n".encode("latin-1"))
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(tmp_path / "settings.yaml"))
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(tmp_path / ".env"))
    with pytest.raises(SettingsError, match=f"{name} "):
        settings.load()


def test_an_empty_variable_hides_no_line_of_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"MARKETLAKE__API__ATTEMPTS=7\nMARKETLAKE_SETTINGS_FILE={tmp_path}/own.yaml\n")
    (tmp_path / "own.yaml").write_text("api: {page_limit: 9}")
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(env_file))
    monkeypatch.setenv("MARKETLAKE__API__ATTEMPTS", "")
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", "")
    assert (settings.load().api.attempts, settings.load().api.page_limit) == (7, 9)


def test_null_takes_a_limit_of_the_file_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("api: {requests_per_minute: 5}\nhistory: {end_date: 2020-01-01}")
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(path))
    monkeypatch.setenv("MARKETLAKE__API__REQUESTS_PER_MINUTE", "null")
    monkeypatch.setenv("MARKETLAKE__HISTORY__END_DATE", "null")
    loaded = settings.load()
    assert (loaded.api.requests_per_minute, loaded.history.end_date) == (None, None)


def test_a_home_folder_is_found_in_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", "~/lake")
    monkeypatch.setenv("MARKETLAKE__LOGGING__FOLDER", "~/logs")
    loaded = settings.load()
    assert (loaded.storage_root, loaded.logging_folder) == (Path("/home/someone/lake"), Path("/home/someone/logs"))


def test_a_current_folder_that_is_gone_is_told_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(variables, "checkout", lambda: None)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SettingsError, match=r"the current folder cannot be used \(No such file or directory\): go to"):
        settings.load()


def test_waivers_are_found_by_ticker_and_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__QUALITY__ACCEPT", '{"SPY": {"2004-03-02": ["low_above_open"]}}')
    loaded = settings.load()
    assert loaded.waivers("SPY", dt.date(2004, 3, 2)) == ("low_above_open",)
    assert loaded.waivers("SPY", dt.date(2004, 3, 3)) == ()
