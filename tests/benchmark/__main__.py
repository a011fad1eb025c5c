"""``make bench``: measure, print the table, write the JSON beside it. Exit code 1 where a limit is missed."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmark import (
    coverage,
    flat_file,
    in_a_bucket,
    one_session,
    option_bars,
    option_map,
    panel,
    plans,
    research,
    sizes,
    through_airflow,
    vendor,
)
from benchmark.dense_days import BARS
from benchmark.figures import Figure, table
from benchmark.postgres import postgres
from marketlake.sessions import SessionCalendar

_PROJECT = Path(__file__).resolve().parents[2]
_RECORDED = _PROJECT.parent / "shared" / "real"
_SESSIONS, _FEW, _MANY, _YEAR = 200, 50, 1_000, 252
_WITHOUT_ANSWERS = {"sizes", "parse", "flat_file", "option_bars", "panel", "option_map"}
"""The cases that ask the vendor of the benchmark for nothing."""
_DENSE, _SPARSE = dt.date(2021, 1, 4), dt.date(2016, 1, 4)  # from when on
_WITHOUT_HOLIDAYS = dt.date(2021, 2, 16), dt.date(2021, 3, 5)
_TEN_YEARS = dt.date(2015, 12, 31), dt.date(2025, 12, 31)
_TWENTY_YEARS = dt.date(2005, 12, 30), dt.date(2025, 12, 31)


def main() -> int:
    """Run the cases that were asked for, or all."""
    cases = (
        "cpu", "memory", "sizes", "parse", "plan", "coverage", "research", "flat_file", "option_bars", "panel",
        "option_map", "s3", "postgres", "sqlite", "plain",
    )  # fmt: skip
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which: {', '.join(cases)}; all without any")
    parser.add_argument("--json", type=Path, default=_PROJECT / "data" / "benchmark.json")
    asked = parser.parse_args()
    if unknown := {*asked.cases} - {*cases}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}; known are {', '.join(cases)}")
    wanted = asked.cases or cases
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        figures = _measured(wanted, folder)
    took_s = time.monotonic() - started_s
    print(f"\ndense sessions of {BARS} bars, {os.cpu_count()} CPUs, {took_s:.0f} s\n\n{table(figures)}")
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    about = {"at": dt.datetime.now(dt.UTC).isoformat("T", "seconds"), "cpus": os.cpu_count(), "took_s": took_s}
    about |= {"python": platform.python_version(), "figures": [one.as_dict() for one in figures]}
    asked.json.write_text(json.dumps(about, indent=1))
    print(f"\nas JSON: {asked.json}")
    return 0 if all(one.holds for one in figures) else 1


def _measured(wanted: tuple[str, ...] | list[str], folder: Path) -> list[Figure]:
    calendar = SessionCalendar(dt.datetime.now(dt.UTC).date())
    dense = calendar.sessions(_DENSE, dt.date(2025, 12, 31))[: 4 * _SESSIONS if "postgres" in wanted else 2 * _SESSIONS]
    sparse = calendar.sessions(_SPARSE, _DENSE)[:-1] if "postgres" in wanted else []
    answers = folder / "answers"
    answers.mkdir()
    if {*wanted} - _WITHOUT_ANSWERS:
        _say(f"making the answers of {len(dense)} dense and {len(sparse)} sparse sessions")
        vendor.prepare(answers, [*dense, *calendar.sessions(*_TWENTY_YEARS)[-2:]], sparse)
    figures: list[Figure] = []
    with vendor.served(answers) as url:
        measures: dict[str, Callable[[Path], list[Figure]]] = {
            "cpu": lambda at: one_session.cpu(url, at, dense[:9]),
            "memory": lambda at: one_session.memory(url, at, dense[:3]),
            "sizes": lambda at: sizes.sizes(_RECORDED, at),
            "parse": lambda at: [*plans.parse(at, runs=3), *plans.parse_of_many(at, runs=3)],
            "plan": lambda at: plans.plan(url, at, *_TWENTY_YEARS, runs=5),
            "coverage": lambda at: coverage.coverage(url, at, *_TWENTY_YEARS, runs=5),
            "research": lambda at: [
                *research.research(url, at / "a year", dense[:_YEAR], tensor_days=60, runs=5),
                *research.one_session(url, at / "ten years", *_TEN_YEARS, runs=5),
            ],
            "flat_file": lambda at: flat_file.flat_file(at, rows=3_000_000, runs=5),
            "option_bars": lambda at: option_bars.option_bars(at, latencies_ms=(65, 0)),
            "panel": lambda at: panel.panel(at, runs=5),
            "option_map": lambda at: option_map.option_map(at, runs=5),
            "s3": lambda at: [
                *in_a_bucket.in_a_bucket(url, at / "lake", dense[:9], *_TWENTY_YEARS, runs=5),
                *in_a_bucket.races(at / "race", publications=40),
            ],
            "postgres": lambda at: _on_postgres(
                at, lambda database: through_airflow.on_postgres(url, at, database, dense, sparse, few=_FEW, many=_MANY)
            ),
            "sqlite": lambda at: through_airflow.on_sqlite(
                url, at, dense[:_SESSIONS], dense[_SESSIONS : _SESSIONS + _FEW + 1]
            ),
            "plain": lambda at: _on_postgres(
                at,
                lambda database: through_airflow.plain_dag(url, at, database, calendar.sessions(*_WITHOUT_HOLIDAYS)),
            ),
        }
        for name in wanted:
            if name == "sizes" and not _RECORDED.is_dir():
                _say(f"sizes: not measured: no recorded sessions in {_RECORDED}")
                continue
            _say(name)
            found = measures[name](folder / name)
            print(table(found), flush=True)
            figures += found
    return figures


def _on_postgres(folder: Path, measure: Callable[[str], list[Figure]]) -> list[Figure]:
    """Measured on a server of its own, which nothing ran on before."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # the server's user has to come in
    with postgres(folder) as server:
        return measure(server.database("measured"))


def _say(what: str) -> None:
    print(f"{dt.datetime.now(dt.UTC):%H:%M:%S}Z {what} ...", flush=True)


if __name__ == "__main__":
    sys.exit(main())
