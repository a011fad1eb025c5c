"""Every case of the benchmark, small: that it runs, holds both sides to the same rows, and can miss a limit."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark import (
    flat_file,
    in_a_bucket,
    one_session,
    option_bars,
    option_map,
    panel,
    plans,
    postgres,
    research,
    sizes,
    through_airflow,
    vendor,
)
from benchmark.dense_days import BARS, DenseDays
from benchmark.figures import Figure, table
from conftest import REAL, needs_real_days
from polygon_simulator.server import Simulator
from rig import Rig

DAYS = [dt.date(2021, 1, day) for day in (4, 5)]
SPARSE_ALONE = [dt.date(2021, 2, day) for day in (1, 2, 3, 4)]
"""In place of dense ones, of which the official client takes a second each, if not their length is at stake."""
SPARSE = [dt.date(2021, 3, day) for day in (1, 2, 3, 4, 5)]
needs_postgres = pytest.mark.skipif(postgres.found() is None, reason="PostgreSQL's server is not installed")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    answers = tmp_path_factory.mktemp("answers")
    vendor.prepare(answers, DAYS, [*SPARSE_ALONE, *SPARSE])
    with vendor.served(answers) as served:
        yield served


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """In a folder that the server's own user can come into, as pytest's are not."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        with postgres.postgres(Path(name)) as up:
            yield up


@pytest.mark.parametrize(
    ("ours", "peer", "limit", "more_is_better", "value", "holds"),
    [
        ([1, 3, 2], [4], 0.5, False, 0.5, True),
        ([2, 2], [4, 4], 0.49, False, 0.5, False),
        ([60], [20], 3, True, 3, True),
        ([60], [20], 3.1, True, 3, False),
        ([0.2], [], 0.15, False, 0.2, False),
        ([0.2], [9], None, False, 0.2 / 9, True),
    ],
)
def test_a_limit_is_held_against_the_ratio_of_the_medians(
    ours: list[float], peer: list[float], limit: float | None, more_is_better: bool, value: float, holds: bool
) -> None:
    figure = Figure("speed", "s", ours, "peer", peer, limit, more_is_better)
    assert (figure.value, figure.holds) == (value, holds)
    assert json.loads(json.dumps(figure.as_dict()))["holds"] is holds


@pytest.mark.parametrize(
    ("ours", "peer", "noise", "holds"),
    [
        ([2.97], [1.0], 0.0, False),  # of one run each nothing is known
        ([2.97, 2.97, 2.97], [1.0, 1.0, 1.0], 0.0, False),
        ([2.9, 2.97, 3.04], [0.8, 1.0, 1.2], 0.1163, True),  # missed by less than its noise
        ([2.97], [0.9, 1.0, 1.1], 0.1155, True),
        ([2.0, 2.0, 2.0], [0.9, 1.0, 1.1], 0.0577, False),  # missed by much more
        ([3.1, 3.2, 3.3], [0.5, 1.0, 1.5], 0.2893, True),
    ],
)
def test_a_limit_is_missed_by_more_than_the_noise_of_both_sides_or_not_at_all(
    ours: list[float], peer: list[float], noise: float, holds: bool
) -> None:
    figure = Figure("speed", "/min", ours, "peer", peer, 3, more_is_better=True)
    assert figure.noise == pytest.approx(noise, abs=1e-4)
    assert figure.holds is holds


def test_a_limit_that_is_missed_within_the_noise_is_marked() -> None:
    line = table([Figure("speed", "/min", [2.9, 2.97, 3.04], "peer", [0.8, 1.0, 1.2], 3, more_is_better=True)])
    assert "2.970       ≥ 3  ok?   speed" in line


def test_the_table_says_the_ratio_first_and_what_missed() -> None:
    lines = table([Figure("CPU", "s", [2, 2, 2], "client", [4], 0.4)]).splitlines()
    assert " ".join(lines[1].split()) == "0.500 ≤ 0.4 MISS CPU: 2 s [2 to 2, 3 runs]; client 4 s"


def test_a_dense_day_has_every_second_of_regular_hours_and_46800_in_all() -> None:
    bars = DenseDays().bars("SPY", dt.date(2021, 1, 4))
    assert len(bars) == BARS == len({bar["t"] for bar in bars}) == 46_800
    assert [bar["t"] for bar in bars] == sorted(bar["t"] for bar in bars)
    opens_ms = int(dt.datetime(2021, 1, 4, 14, 30, tzinfo=dt.UTC).timestamp() * 1000)
    assert len([bar for bar in bars if 0 <= bar["t"] - opens_ms < 23_400_000]) == 23_400


def test_cpu_is_measured_of_sides_that_wrote_the_same_rows(url: str, tmp_path: Path) -> None:
    figures = one_session.cpu(url, tmp_path, SPARSE_ALONE[:2])
    assert [one.peer_name.partition(" ")[0] for one in figures] == ["official", "floor", "official", "requests"]
    assert all(len(one.ours) == len(one.peer) == 1 and one.value > 0 for one in figures)


def test_sides_with_other_rows_end_the_measurement(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.peers._column", lambda bars, _, kind: np.array([bar.o for bar in bars], kind))
    with pytest.raises(AssertionError, match="floor"):
        one_session.cpu(url, tmp_path, SPARSE_ALONE[:2])


def test_memory_is_what_a_forked_process_holds_alone(url: str, tmp_path: Path) -> None:
    ours, _ = one_session.memory(url, tmp_path, SPARSE_ALONE[:1])
    assert 1 < ours.value < 1_000


@needs_real_days
def test_sizes_are_of_every_recorded_session(tmp_path: Path) -> None:
    (figure,) = sizes.sizes(REAL, tmp_path)
    assert figure.name.startswith("size of 3 recorded sessions")
    assert figure.holds


def test_parsing_is_timed_for_every_dag_file(tmp_path: Path) -> None:
    names = [one.name for one in plans.parse(tmp_path, runs=1)]
    files = ("bars_audit", "minute_bars", "option_snapshots", "options", "second_bars")
    assert names == [f"parsing {name}.py" for name in files for _ in range(2)]


def test_a_daily_plan_takes_one_listing_and_no_look_at_any_file_by_itself(url: str, tmp_path: Path) -> None:
    figure, _ = plans.plan(url, tmp_path, dt.date(2020, 9, 29), SPARSE_ALONE[-1], runs=1)
    # 89 sessions, the last of which is planned; the footers of the 60 before the run's own.
    assert (figure.name, figure.note) == ("plan of a daily run over 88 partitions", "one listing and 60 footers")


def test_reading_is_measured_of_sides_with_the_same_rows(url: str, tmp_path: Path) -> None:
    figures = research.research(url, tmp_path, DAYS, tensor_days=2, runs=1, held=("arrow",))
    assert [one.name.partition(" ")[2] for one in figures] == [
        "dense sessions into Arrow", "dense sessions into pandas", "dense sessions into Polars",
        "of 2 sessions, sessions a second", "memory, 2 dense sessions into arrow",
    ]  # fmt: skip
    assert all(one.value > 0 for one in figures)


def test_one_session_out_of_many_takes_one_file(url: str, tmp_path: Path) -> None:
    (figure,) = research.one_session(url, tmp_path, dt.date(2020, 9, 29), SPARSE_ALONE[-1], runs=1)
    assert (figure.name, figure.note) == ("one session out of 88", "one file was opened")


def test_a_panel_is_measured_of_sides_with_the_same_figures(tmp_path: Path) -> None:
    figures = panel.panel(tmp_path, bars_a_contract=2, plain_rows=200, runs=1)
    assert figures[0].name == "panel of 4,556 option bars, 2,278 contracts: rows a CPU-second"
    assert [bool(one.peer) for one in figures] == [True, False, False, True]
    assert all(one.value > 0 for one in figures)


def test_a_panel_with_other_figures_than_quantlibs_ends_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = panel.Plain.row

    def another(plain: panel.Plain, bar: dict) -> dict | None:
        found = row(plain, bar)
        return found and found | {"iv": found["iv"] + 1e-5}

    monkeypatch.setattr(panel.Plain, "row", another)
    with pytest.raises(AssertionError, match="'iv'"):
        panel.panel(tmp_path, bars_a_contract=2, plain_rows=200, runs=1)


def test_a_flat_file_is_sifted_in_a_process_of_its_own_and_both_sides_find_the_same(tmp_path: Path) -> None:
    figures = flat_file.flat_file(tmp_path / "made", rows=20_000, runs=1)
    assert [(one.unit, one.limit) for one in figures] == [("s", 5), ("s", None), ("s", None), ("MB", 600), ("MB", None)]
    assert figures[0].name.startswith("flat file of 20,") or figures[0].name.startswith("flat file of 19,")
    assert all(one.value > 0 for one in figures)
    assert 50 < figures[3].value < 600


def test_option_bars_are_fetched_by_both_sides_and_are_as_many(tmp_path: Path) -> None:
    figures = option_bars.option_bars(tmp_path / "made", latencies_ms=(0,), chain="few")
    assert figures[0].name == "option bars of 104 contracts, 0 ms a request"
    assert [(one.unit, one.limit) for one in figures] == [("requests/s", None), ("MiB", None), ("B", None)]
    assert all(one.value > 0 for one in figures)


def test_a_bucket_is_measured_against_a_folder_that_answers_the_same(url: str, tmp_path: Path) -> None:
    first, last = dt.date(2021, 1, 4), SPARSE_ALONE[-1]
    figures = in_a_bucket.in_a_bucket(url, tmp_path / "made", SPARSE[:3], first, last, runs=1)
    assert figures[2].note == "6 GET, 2 PUT"
    assert figures[3].name == "listing, 22 sessions in a bucket"
    assert [one.note for one in figures[3:7]] == ["1 requests", *["24 requests"] * 3]  # of which two are no footer


@needs_postgres
@pytest.mark.airflow
def test_sessions_go_through_airflow_on_postgresql(url: str, server: postgres.Server, tmp_path: Path) -> None:
    database = server.database("ours")
    figures = through_airflow.on_postgres(url, tmp_path, database, SPARSE_ALONE, SPARSE, few=1, many=2, warm=1)
    assert [len(one.ours) for one in figures] == [2, 2, 2, 2, 1, 1, *[2] * 6]
    assert [len(one.peer) for one in figures] == [6, 8, 2, 2, 2, 2, *[1] * 6]
    assert all(one.value > 0 for one in figures if "bytes in it" not in one.name)  # which grows by pages
    of_range, of_backfill = (one.note for one in figures if one.name.startswith("rows in Airflow's database"))
    assert {"task_instance 4,000", "xcom 2,000", "dag_run 1,000"} <= set(of_range.split(", "))  # of one session a run
    assert {"task_instance 4,000", "xcom 2,000", "backfill_dag_run 1,000"} <= set(of_backfill.split(", "))


@pytest.mark.airflow
def test_sessions_go_through_airflow_on_sqlite(url: str, tmp_path: Path, simulator: Simulator, migrated: Path) -> None:
    ours = Rig(tmp_path, simulator).with_database(migrated).folder
    backfill, manual = through_airflow.on_sqlite(url, ours, SPARSE_ALONE[:2], SPARSE_ALONE[2:])
    assert backfill.ours[0] > 0
    assert manual.ours[0] > 0


@needs_postgres
@pytest.mark.airflow
def test_the_plain_dag_runs_too(url: str, server: postgres.Server, tmp_path: Path) -> None:
    (figure,) = through_airflow.plain_dag(url, tmp_path, server.database("plain"), SPARSE_ALONE[:2])
    assert figure.ours[0] > 0


@pytest.mark.browser
def test_the_map_of_a_chain_is_measured_from_files_to_a_browser(tmp_path: Path) -> None:
    figures = option_map.option_map(tmp_path / "lake", runs=1, contracts="few")
    assert [figure.name.partition(": ")[2] for figure in figures] == [
        "its day, every file held against its certificate",
        "its map as JSON",
        "its map, compressed",
        "one contract beside its underlying, as JSON",
        "drawn in Chromium, from its address on",
        "the whole of it, calls exchanged for puts",
    ]
    assert all(value > 0 for figure in figures for value in figure.ours)
