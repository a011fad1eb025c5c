"""Options through the real Airflow: the same by REST and by flat file, a date that fails alone, a panel that waits for
its underlying, an audit. One start for all of it: the settings are a file, which every task reads anew.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import KEY
from local_airflow.server.api import AirflowApi
from marketlake.ingest.options.estimate import Requests
from polygon_simulator.plan import Plan
from polygon_simulator.server import S3_ACCESS_KEY, Simulator
from rig import Rig, airflow_of, clear, ended, instances, trigger, until
from smooth_days import SmoothDays

pytestmark = pytest.mark.airflow
DAG, AUDIT, SECONDS = "spy_options", "spy_options_audit", "spy_second_bars"
WEEK = ("2024-11-26", "2024-11-27", "2024-11-29")
GREEN, LATE, UNFIT = "2024-12-02", "2024-12-03", "2024-12-04"
PARTS = ("option_chain", "option_selection", "option_bars", "option_panel")
FILES = {
    "option_chain": "chain.parquet", "option_selection": "selection.parquet", "option_bars": "bars.parquet",
    "option_panel": "panel.parquet",
}  # fmt: skip


class OptionsRig(Rig):
    """A rig whose settings of options are a file."""

    @property
    def settings_file(self) -> Path:
        return self.folder / "settings.yaml"

    def set(self, **options: Any) -> None:
        """Settings of options, from now on, for commands and tasks."""
        configured = {
            "enabled": True,
            "empty_recheck_s": 0,
            "flat_files": {"endpoint_url": self.simulator.url},
            **options,
        }
        self.settings_file.write_text(json.dumps({"options": configured}))

    def option_backfill(self, first: str, last: str, **environment: str) -> str:
        """What ``make backfill DATASET=options`` says; it must succeed."""
        done = self.make("backfill", "DATASET=options", f"FROM={first}", f"TO={last}", **environment)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def file(self, dataset: str, day: str) -> Path:
        return self.lake / dataset / "processed" / "spy" / f"date={day}" / FILES[dataset]

    def rows(self, dataset: str, day: str) -> pa.Table:
        return pq.read_table(self.file(dataset, day), partitioning=None)

    def certificate(self, dataset: str, day: str) -> dict[str, Any]:
        footer = pq.read_metadata(self.file(dataset, day)).metadata[b"marketlake.certificate"]
        certificate: dict[str, Any] = json.loads(footer)
        return certificate


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[OptionsRig]:
    with Simulator(SmoothDays(), KEY, contracts="few") as simulator:
        rig = OptionsRig(tmp_path_factory.mktemp("options"), simulator)
        rig.extra |= {
            "MARKETLAKE_SETTINGS_FILE": str(rig.settings_file),
            "POLYGON_S3_ACCESS_KEY_ID": S3_ACCESS_KEY,
            "POLYGON_S3_SECRET_ACCESS_KEY": "a-secret-of-the-test",
        }
        rig.set()
        rig.with_database(migrated)
        yield rig


@pytest.fixture(scope="module")
def api(rig: OptionsRig) -> Iterator[AirflowApi]:
    with airflow_of(rig) as up:
        yield up


@pytest.fixture(scope="module")
def seconds(rig: OptionsRig, api: AirflowApi) -> None:
    """The underlying's seconds of the week, and of one session after it."""
    run = trigger(api, dag=SECONDS, sessions=[*WEEK, GREEN, UNFIT])
    assert ended(api, run, dag=SECONDS) == "success"


@dataclass(frozen=True)
class Fetched:
    """What a backfill of the week said, how many requests its tasks made, and the bars that came."""

    told: str
    requests: int
    bars: dict[str, pa.Table]


@pytest.fixture(scope="module")
def by_rest(rig: OptionsRig, api: AirflowApi, seconds: None) -> Fetched:
    """The week by REST. A refused command before it shows what is asked for before anything is fetched."""
    first = len(rig.simulator.requests)
    refused = rig.make(
        "backfill", "DATASET=options", f"FROM={WEEK[0]}", f"TO={WEEK[-1]}",
        MARKETLAKE__OPTIONS__MAX_REQUESTS_PER_RUN="100",
    )  # fmt: skip
    assert refused.returncode == 2, refused.stdout
    assert "and options.max_requests_per_run = 100. Nothing was fetched." in refused.stdout
    assert runs_of(api, WEEK) == {}
    ahead = len(rig.simulator.requests) - first
    told = rig.option_backfill(WEEK[0], WEEK[-1])
    requests = len(rig.simulator.requests) - first - 2 * ahead
    return Fetched(told, requests, {day: rig.rows("option_bars", day) for day in WEEK})


def runs_of(api: AirflowApi, days: tuple[str, ...]) -> dict[str, str]:
    """The runs of a range of sessions, by session."""
    first, last = (dt.date.fromisoformat(day) for day in (days[0], days[-1]))
    return {run["logical_date"][:10]: run["dag_run_id"] for run in api.runs(DAG, first, last)}


def was_listed_before(rig: OptionsRig, day: str) -> bool:
    """Whether a session's task asked for the chain before it, since the lake had none by then."""
    (archive,) = (rig.lake / f"option_chain/raw/spy/date={day}/rev=1").iterdir()
    with tarfile.open(archive) as pages:
        manifest = pages.extractfile("manifest.json")
        assert manifest is not None
        return "before" in json.load(manifest)["listings"]


def green(day: str, index: int = 0) -> dict[tuple[str, int], tuple[str, str | None]]:
    return {(f"session.{step}", index): ("success", day) for step in ("fetch_chain", "fetch_bars", "build_panel")}


def test_a_backfill_of_three_sessions_asks_for_what_its_estimate_says(
    rig: OptionsRig, api: AirflowApi, by_rest: Fetched
) -> None:
    line = re.search(
        r"^SPY options: 3 sessions from 2024-11-26 to 2024-11-29, 3 not here yet: ([\d,]+) contracts,"
        r" ([\d,]+) to ([\d,]+) requests, \d+ MB, 1 min$", by_rest.told, re.MULTILINE,
    )  # fmt: skip
    assert line, by_rest.told
    contracts, least, most = (int(text.replace(",", "")) for text in line.groups())
    counted = 0
    for day in WEEK:
        states = Counter(rig.rows("option_selection", day).column("state").to_pylist())
        assert min(states["bars"], states["empty"]) > 0
        beside = Requests(
            chain_pages=1, pages_before=int(was_listed_before(rig, day)), reference=int(day == WEEK[0]), market=2
        )
        counted += beside.with_contracts(states["bars"] + states["empty"], states["empty"])
        contracts -= states["bars"] + states["empty"]
    assert contracts == 0
    assert by_rest.requests == counted
    assert least < counted < most

    assert "backfill 1, runs: 3 created, 0 cleared, 0 skipped" in by_rest.told
    where = "all of their partitions (option chain, option selection, option bars, option panel)"
    assert f"SPY options: 3 of 3 sessions have {where} under {rig.lake}" in by_rest.told
    runs = runs_of(api, WEEK)
    assert tuple(sorted(runs)) == WEEK
    for day, run in runs.items():
        assert instances(api, run, dag=DAG) == {
            ("plan_sessions", -1): ("success", None),
            **green(day),
            ("dates_ended", -1): ("skipped", None),
            ("report", -1): ("skipped", None),
        }
    found = api._send("GET", "assets/events", params={"limit": 100, "order_by": "-timestamp"}) or {}
    events = [event for event in found["asset_events"] if event["name"] == DAG]
    assert sorted(event["partition_key"] for event in events) == list(WEEK)


def test_a_panel_lies_beside_the_underlying_and_has_a_vol_of_most_bars(rig: OptionsRig, by_rest: Fetched) -> None:
    for day in WEEK:
        panel, bars = rig.rows("option_panel", day), by_rest.bars[day]
        assert panel.num_rows == bars.num_rows
        assert panel.column("iv").null_count < panel.num_rows / 4
        inputs = rig.certificate("option_panel", day)["inputs"]
        assert inputs["option_bars"] == rig.certificate("option_bars", day)["content_hash"]


def test_a_session_fails_alone_and_goes_on_when_it_alone_is_cleared(
    rig: OptionsRig, api: AirflowApi, by_rest: Fetched
) -> None:
    rig.simulator.faults.set(UNFIT, [{"fault": "foreign_root", "times": 0}])
    run = trigger(api, dag=DAG, start_date=GREEN, end_date=UNFIT)
    assert ended(api, run, dag=DAG) == "failed"
    assert instances(api, run, dag=DAG) == {
        ("plan_sessions", -1): ("success", None),
        **green(GREEN, 0),
        **green(LATE, 1),
        ("session.build_panel", 1): ("failed", LATE),
        ("session.fetch_chain", 2): ("failed", UNFIT),
        ("session.fetch_bars", 2): ("upstream_failed", "2"),
        ("session.build_panel", 2): ("upstream_failed", "2"),
        ("dates_ended", -1): ("success", None),
        ("report", -1): ("failed", None),
    }
    failed = {one["task_id"]: one for one in api.task_instances(DAG, run) if one["state"] == "failed"}
    assert {name: one["try_number"] for name, one in failed.items()} == {
        "session.fetch_chain": 1, "session.build_panel": 2, "report": 1,
    }  # fmt: skip
    reasons = {name: reason_of(api, failed[name]) for name in ("session.fetch_chain", "session.build_panel")}
    assert reasons["session.build_panel"].startswith(
        f"UnderlyingMissing: SPY {LATE} option panel: the second bars of SPY on that session are not in the lake"
    )
    assert reasons["session.build_panel"].endswith(f"make backfill FROM={LATE} TO={LATE}")
    assert re.match(
        r"MalformedPage: SPY option chain of 2024-12-04: page 1 .* has O:SPYG\w+", reasons["session.fetch_chain"]
    )
    assert "\n" not in "".join(reasons.values())

    rig.simulator.faults.clear()
    assert ended(api, trigger(api, dag=SECONDS, sessions=[LATE]), dag=SECONDS) == "success"
    since = len(rig.simulator.requests)
    clear(api, run, ["session.build_panel", 1], dag=DAG)
    clear(api, run, ["session.fetch_chain", 2], dag=DAG)
    until(lambda: instances(api, run, dag=DAG)["session.build_panel", 2][0] == "success")
    assert ended(api, run, dag=DAG) == "success"
    assert {key: one for key, one in instances(api, run, dag=DAG).items() if key[0].startswith("session.")} == {
        **green(GREEN, 0), **green(LATE, 1), **green(UNFIT, 2),
    }  # fmt: skip
    days = {one["day"] for one in list(rig.simulator.requests)[since:] if str(one["ticker"]).startswith("O:")}
    assert days == {UNFIT}  # the panel of the other one took no request


def reason_of(api: AirflowApi, instance: dict[str, Any]) -> str:
    """What a failed task left for the coverage page."""
    task = f"dags/{DAG}/dagRuns/{instance['dag_run_id']}/taskInstances/{instance['task_id']}"
    entry = api._send("GET", f"{task}/xcomEntries/failed_because", params={"map_index": instance["map_index"]}) or {}
    return str(entry["value"])


def test_a_run_that_could_take_too_much_is_refused_by_its_plan(
    rig: OptionsRig, api: AirflowApi, by_rest: Fetched
) -> None:
    rig.set(max_requests_per_run=100)
    since = len(rig.simulator.requests)
    run = trigger(api, dag=DAG, start_date="2024-12-09", end_date="2024-12-10")
    assert ended(api, run, dag=DAG) == "failed"
    states = instances(api, run, dag=DAG)
    assert {key: one[0] for key, one in states.items() if key[1] == -1} == {
        ("plan_sessions", -1): "failed", ("session.fetch_chain", -1): "upstream_failed",
        ("session.fetch_bars", -1): "upstream_failed", ("session.build_panel", -1): "upstream_failed",
        ("dates_ended", -1): "success", ("report", -1): "failed",
    }  # fmt: skip
    (plan,) = [one for one in api.task_instances(DAG, run) if one["task_id"] == "plan_sessions"]
    assert "and options.max_requests_per_run = 100. Nothing was fetched. What helps:" in reason_of(api, plan)
    assert not [one for one in list(rig.simulator.requests)[since:] if one["timespan"] == "minute"]
    nothing = trigger(api, dag=DAG, start_date=WEEK[0], end_date=WEEK[-1])  # all of it is held
    assert ended(api, nothing, dag=DAG) == "success"
    assert instances(api, nothing, dag=DAG)["session.build_panel", -1][0] == "skipped"


@pytest.fixture(scope="module")
def by_file(rig: OptionsRig, api: AirflowApi, by_rest: Fetched) -> Fetched:
    """The same week by flat file, in the same lake."""
    rig.set(source="flat_file")
    since = len(rig.simulator.requests)
    told = rig.option_backfill(WEEK[0], WEEK[-1], REFETCH="1")
    requests = len(rig.simulator.requests) - since
    return Fetched(told, requests, {day: rig.rows("option_bars", day) for day in WEEK})


def test_by_flat_file_the_same_bars_come_value_by_value(rig: OptionsRig, by_rest: Fetched, by_file: Fetched) -> None:
    assert "3 to fetch: " in by_file.told
    assert "0 created, 3 cleared, 0 skipped" in by_file.told
    for day in WEEK:
        rest, file = by_rest.bars[day], by_file.bars[day]
        assert file.drop(["vwap"]).equals(rest.drop(["vwap"]))
        assert (file.column("vwap").null_count, rest.column("vwap").null_count) == (file.num_rows, 0)
        assert rig.certificate("option_bars", day)["basis"]["source"] == "flat_file"
        assert set(rig.rows("option_selection", day).column("evidence").to_pylist()) == {"whole_file", None}
        assert (
            rig.certificate("option_panel", day)["inputs"]["option_bars"]
            == (rig.certificate("option_bars", day)["content_hash"])
        )


def test_an_audit_fetches_a_file_only_if_it_is_another_one(rig: OptionsRig, api: AirflowApi, by_file: Fetched) -> None:
    same, other = WEEK[:2]
    rig.simulator.faults.set(other, [{"fault": "republished", "times": 0}])
    looked, told, visits = [], [], []
    for _ in range(2):
        since = len(rig.simulator.requests)
        run = trigger(api, dag=AUDIT, start_date=same, end_date=other)
        assert ended(api, run, dag=AUDIT) == "success"
        assert instances(api, run, dag=AUDIT) == {
            ("plan_audit", -1): ("success", None),
            ("audit_session", 0): ("success", same),
            ("audit_session", 1): ("success", other),
            ("dates_ended", -1): ("success", None),
            ("summarise_audit", -1): ("success", None),
        }
        requests = list(rig.simulator.requests)[since:]
        looked.append(Counter(one["day"] for one in requests if one["timespan"] == "flat_file"))
        assert not [one for one in requests if str(one["ticker"]).startswith("O:")]
        found = api._send("GET", "assets/events", params={"source_run_id": run, "limit": 100}) or {}
        told.append([event["partition_key"] for event in found["asset_events"]])
        visits.append(json.loads((rig.lake / "option_bars/audit/spy/audit.json").read_text())["visits"])
    rig.simulator.faults.clear()
    assert looked == [{same: 1, other: 3}, {same: 1, other: 1}]  # a fetch is a look, and all of it
    assert told == [[other], []]
    assert [[one["outcome"] for one in of_run] for of_run in visits] == [
        ["unchanged", "revised"],
        ["unchanged", "unchanged"],
    ]
    assert "option_bars: bars added 0, removed 0, changed 1 since revision 2" in visits[0][1]["changes"]
    inputs = rig.certificate("option_panel", other)["inputs"]
    assert inputs["option_bars"] == rig.certificate("option_bars", other)["content_hash"]


def test_what_a_key_lacks_is_told_before_anything_is_created(
    rig: OptionsRig, api: AirflowApi, by_file: Fetched
) -> None:
    rig.simulator.plan = Plan(flat_files=False)
    told = rig.make("backfill", "DATASET=options", "FROM=2024-12-09", "TO=2024-12-10")
    rig.simulator.plan = Plan()
    assert told.returncode == 2
    assert "NotEntitled: " in told.stdout
    assert "flat files of options need Options Starter" in told.stdout
    without = rig.make("backfill", "DATASET=options", "FROM=2024-12-09", "TO=2024-12-10", POLYGON_S3_ACCESS_KEY_ID="",
                       POLYGON_S3_SECRET_ACCESS_KEY="")  # fmt: skip
    assert (without.returncode, "KeyMissing: " in without.stdout) == (2, True), without.stdout
    assert runs_of(api, ("2024-12-09", "2024-12-10")) == {}
