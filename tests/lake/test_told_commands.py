"""The commands that messages name: those of the place where they are read, a checkout or an image."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from marketlake import commands

PROJECT = Path(__file__).resolve().parents[2]
MONDAY, FRIDAY = dt.date(2024, 11, 25), dt.date(2024, 11, 29)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What the Dockerfile copies, and nothing else."""
    for name in ("include", "plugins", "dags"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def in_an_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(commands, "checkout", lambda: tmp_path)


BACKFILL = "airflow backfill create --dag-id {} --from-date 2024-11-25 --to-date 2024-11-29 --reprocess-behavior {}"
MINUTES = "MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS"
OPTIONS_ON = "MARKETLAKE__OPTIONS__ENABLED=true MARKETLAKE__OPTIONS__TICKERS"
OF_OPTIONS = ["option_chain", "option_selection", "option_bars", "option_panel", "options"]


@pytest.mark.parametrize(
    ("dataset", "ticker", "tickers", "again", "expected"),
    [
        ("second_bars", "SPY", ["SPY"], False, "make backfill FROM=2024-11-25 TO=2024-11-29"),
        ("second_bars", "SPY", ["SPY"], True, "make backfill FROM=2024-11-25 TO=2024-11-29 REFETCH=1"),
        (
            "second_bars", "QQQ", ["SPY"], True,
            "MARKETLAKE__TICKERS='[\"QQQ\"]' make backfill FROM=2024-11-25 TO=2024-11-29 REFETCH=1",
        ),
        (
            "minute_bars", "SPY", ["SPY"], False,
            "make backfill DATASET=minute_bars FROM=2024-11-25 TO=2024-11-29",
        ),
        (
            "minute_bars", "SPY", ["QQQ", "SPY"], True,
            "make backfill DATASET=minute_bars TICKER=SPY FROM=2024-11-25 TO=2024-11-29 REFETCH=1",
        ),
        (
            "second_bars", "BRK.B", ["QQQ", "BRK.B"], False,
            "make backfill TICKER=BRK.B FROM=2024-11-25 TO=2024-11-29",
        ),
        (
            "minute_bars", "SPY", [], True,
            f"{MINUTES}='[\"SPY\"]' make backfill DATASET=minute_bars FROM=2024-11-25 TO=2024-11-29 REFETCH=1",
        ),
        *(
            (name, "SPY", ["SPY"], True, "make backfill DATASET=options FROM=2024-11-25 TO=2024-11-29 REFETCH=1")
            for name in OF_OPTIONS
        ),
        (
            "option_bars", "SPY", [], False,
            f"{OPTIONS_ON}='[\"SPY\"]' make backfill DATASET=options FROM=2024-11-25 TO=2024-11-29",
        ),
    ],
)  # fmt: skip
def test_in_a_checkout_sessions_are_fetched_by_make(
    dataset: str, ticker: str, tickers: list[str], again: bool, expected: str
) -> None:
    assert commands.fetching(dataset, ticker, MONDAY, FRIDAY, tickers=tickers, again=again) == expected


@pytest.mark.usefixtures("in_an_image")
@pytest.mark.parametrize(
    ("dataset", "ticker", "tickers", "again", "expected"),
    [
        ("second_bars", "SPY", ["SPY"], False, BACKFILL.format("spy_second_bars", "failed")),
        ("second_bars", "SPY", ["SPY"], True, BACKFILL.format("spy_second_bars", "completed")),
        (
            "second_bars", "QQQ", ["SPY"], True,
            'give every container MARKETLAKE__TICKERS=\'["SPY", "QQQ"]\', then '
            + BACKFILL.format("qqq_second_bars", "completed"),
        ),
        ("minute_bars", "SPY", ["SPY"], False, BACKFILL.format("spy_minute_bars", "failed")),
        (
            "minute_bars", "SPY", [], True,
            f'give every container {MINUTES}=\'["SPY"]\', then ' + BACKFILL.format("spy_minute_bars", "completed"),
        ),
        *((name, "SPY", ["SPY"], False, BACKFILL.format("spy_options", "failed")) for name in OF_OPTIONS),
        (
            "option_panel", "SPY", [], True,
            f'give every container {OPTIONS_ON}=\'["SPY"]\', then ' + BACKFILL.format("spy_options", "completed")
            + " --dag-run-conf '{\"refetch\": true}'",
        ),
    ],
)  # fmt: skip
def test_where_there_is_no_makefile_sessions_are_fetched_by_airflows_own_command(
    dataset: str, ticker: str, tickers: list[str], again: bool, expected: str
) -> None:
    assert commands.fetching(dataset, ticker, MONDAY, FRIDAY, tickers=tickers, again=again) == expected


@pytest.mark.usefixtures("in_an_image")
def test_where_there_is_no_makefile_a_key_is_given_to_the_containers() -> None:
    assert commands.no_key() == (
        "no API key: give every container POLYGON_API_KEY (with Docker Compose: in .env, then  docker compose up -d),"
        " or set the password of the Airflow connection polygon_default."
    )


@pytest.mark.usefixtures("in_an_image")
def test_where_there_is_no_makefile_keys_of_flat_files_are_given_to_the_containers() -> None:
    assert commands.no_s3_keys() == (
        "no S3 keys for the vendor's flat files: give every container POLYGON_S3_ACCESS_KEY_ID and"
        " POLYGON_S3_SECRET_ACCESS_KEY (with Docker Compose: in .env, then  docker compose up -d), or set login and"
        " password of the Airflow connection polygon_flat_files. Without them: options.source = rest."
    )


def test_a_finding_in_an_image_names_no_make(image: Path) -> None:
    stray = image / "data" / "processed" / "spy" / "date=2024-11-26"
    stray.mkdir(parents=True)
    (stray / "bars.parquet").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "marketlake", "verify"],
        env=os.environ | {"PYTHONPATH": str(image / "include"), "MARKETLAKE_ENV_FILE": ""},
        cwd=image, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[0] == (
        "SPY  2024-11-26  damaged  the file is empty: airflow backfill create --dag-id spy_second_bars"
        " --from-date 2024-11-26 --to-date 2024-11-26 --reprocess-behavior completed"
    )


def test_only_the_module_of_the_commands_names_make(image: Path) -> None:
    """Everything else that is loaded in a container asks it."""
    naming = {
        path.relative_to(image).as_posix()
        for folder in ("include/marketlake", "plugins", "dags")
        for path in (image / folder).rglob("*.py")
        if any(f"make {target}" in path.read_text() for target in ("backfill", "verify", "env", "up", "down", "demo"))
    }
    assert naming == {"include/marketlake/commands.py"}


def test_what_fetches_any_session_of_a_dataset() -> None:
    assert commands.fetching_any() == "make backfill FROM=... TO=..."
    assert commands.fetching_any("minute_bars") == "make backfill DATASET=minute_bars FROM=... TO=..."
    assert {commands.fetching_any(name) for name in OF_OPTIONS} == {"make backfill DATASET=options FROM=... TO=..."}
