"""Old against new: what an earlier version of this project wrote, this one reads, proves, mends and goes on with."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from conftest import KEY, NOW, files_under
from earlier_version import EarlierVersion, earlier_version
from marketlake import settings
from marketlake.audit.audit import audit_session
from marketlake.audit.due import sessions_due
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.changes import changed_rows
from marketlake.partitions.revisions import Revisions
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from marketlake.verify.verify import Verification, verify
from polygon_simulator.days import Bar
from polygon_simulator.market import MadeUpDays
from polygon_simulator.server import Simulator
from seconds import kept_by, spy
from sparse_days import SparseDays

PLAIN, SUSPECT, REVISED, PROVISIONAL = "2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02"
DENSE = "2024-12-05"
ROWS = {PLAIN: 390, SUSPECT: 387, REVISED: 210, PROVISIONAL: 390}
WITHOUT_THREE_MINUTES = "without:1732718100000-1732718280000"
"""09:35 to 09:38 of the suspect session, in which there were trades."""
FAULTS = {
    SUSPECT: [{"fault": WITHOUT_THREE_MINUTES, "times": 0}],
    REVISED: [{"fault": "changed:17", "times": 0, "page": 1}],
}
"""How the vendor answers since the second revision."""
FIRST, LATER, AUDITED = "2024-12-02T22:00:00+00:00", "2025-01-02T17:00:00+00:00", "2025-03-03T17:00:00+00:00"
PARTITION = "processed/spy/date={}/bars.parquet"
TIMES = {"fetched_at_ms", "published_at_ms", "certified_at_ms"}
NEW_IN_CERTIFICATES = {"dataset", "empty_answers", "inputs", "basis"}
"""The fields of a certificate that the earlier version does not know."""


# This version's library, which the rest of this file calls through these few functions alone.


def lake_at(environment: dict[str, str], at: dt.datetime = NOW) -> Lake:
    """The lake that the variables describe, by a clock that stands still."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        return Lake(settings.load(), now=lambda: at)


def client_of(lake: Lake) -> PolygonClient:
    key = ApiKey(KEY, "a test")
    return PolygonClient(Transport(requests.Session(), key, lake.settings.api, now_s=lake.now().timestamp))


def fetched(lake: Lake, day: str, *, provisional: bool = False) -> dict[str, Any]:
    date = dt.date.fromisoformat(day)
    return ingest(lake, SECOND_BARS, spy(date), client_of(lake), allow_provisional=provisional).as_dict()


def rebuilt(lake: Lake, day: str) -> dict[str, Any]:
    return rebuild(lake, SECOND_BARS, spy(dt.date.fromisoformat(day)), allow_provisional=True).as_dict()


def audited(lake: Lake, day: str) -> tuple[str, str, str]:
    """Why a session was looked at again, what came of it, and its state."""
    visit = audit_session(lake, SECOND_BARS, spy(dt.date.fromisoformat(day)), client_of(lake))
    return (visit.because, visit.outcome, visit.state)


def days_due(lake: Lake) -> list[str]:
    return [str(one.session) for one in sessions_due(lake, SECOND_BARS.spec.name, "SPY")]


def verified(lake: Lake) -> Verification:
    return verify(lake, SECOND_BARS)


def rows_of(lake: Lake, day: str) -> pa.Table | None:
    return kept_by(lake).partitions.read(spy(dt.date.fromisoformat(day)))


def content_hash_of(lake: Lake, day: str) -> str | None:
    """The hash of a partition whose rows, certificate and place agree."""
    held = kept_by(lake).partitions.inspect(spy(dt.date.fromisoformat(day)))
    return held.certificate.content_hash if held and held.certificate and held.sealed else None


def revisions_of(lake: Lake) -> Revisions:
    return lake.revisions


# What the earlier version has written.


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    """A vendor by whose clock it is now."""
    with Simulator(SparseDays(), KEY, now_s=NOW.timestamp) as running:
        yield running


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> EarlierVersion:
    return earlier_version(tmp_path_factory.mktemp("earlier-version"))


def variables(root: Path, vendor: Simulator, page_limit: int) -> dict[str, str]:
    """What both versions are told: where the lake is, and whom to ask."""
    return {
        "MARKETLAKE_ENV_FILE": "",
        "MARKETLAKE__STORAGE__ROOT": str(root),
        "MARKETLAKE__STORAGE__MIN_FREE_BYTES": "1000000",
        "MARKETLAKE__API__PAGE_LIMIT": str(page_limit),
        "POLYGON_BASE_URL": vendor.url,
        "POLYGON_API_KEY": KEY,
    }


@pytest.fixture(scope="module")
def written(earlier: EarlierVersion, vendor: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of four sessions, each of its kind; the plain one was looked at by an audit once."""
    root = tmp_path_factory.mktemp("written") / "data"
    environment = variables(root, vendor, page_limit=200)
    vendor.faults.replace({SUSPECT: FAULTS[SUSPECT]})
    first = earlier.writes(
        environment,
        f"ingest {PLAIN} {FIRST}",
        f"ingest {SUSPECT} {FIRST}",
        f"ingest {REVISED} {FIRST}",
        f"provisional {PROVISIONAL} {FIRST}",
    )
    vendor.faults.replace(FAULTS)
    later = earlier.writes(environment, f"ingest {REVISED} {LATER}", f"audit {PLAIN} {AUDITED}")
    assert [(one["outcome"], one["state"], one["revision"]) for one in (*first, *later)] == [
        ("created", "complete", 1),
        ("created", "suspect", 1),
        ("created", "complete", 1),
        ("created", "provisional", 1),
        ("revised", "complete", 2),
        ("unchanged", "complete", 1),
    ]
    return root


@pytest.fixture
def root(written: Path, vendor: Simulator, tmp_path: Path) -> Path:
    """A copy of that lake, for one test to write to; the vendor answers as it did last."""
    vendor.faults.replace(FAULTS)
    return Path(shutil.copytree(written, tmp_path / "data"))


@pytest.fixture
def lake(root: Path, vendor: Simulator) -> Lake:
    return lake_at(variables(root, vendor, page_limit=200))


def contents(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in files_under(root)}


def test_every_session_is_read(lake: Lake, root: Path) -> None:
    assert {day: rows.num_rows for day in ROWS if (rows := rows_of(lake, day)) is not None} == ROWS
    frame = pd.read_parquet(root / "processed" / "spy")
    assert frame.groupby("date", observed=True).size().to_dict() == ROWS


def test_verifying_has_no_finding(lake: Lake) -> None:
    found = verified(lake)
    assert found.findings == ()
    assert (found.partitions, found.rows) == (4, 1377)
    assert found.states == {"complete": 2, "suspect": 1, "provisional": 1}


@pytest.mark.parametrize(("day", "state", "revision"), [
    (PLAIN, "complete", 1),
    (SUSPECT, "suspect", 1),
    (REVISED, "complete", 2),
])  # fmt: skip
def test_the_same_answer_again_is_unchanged_and_touches_no_file(
    lake: Lake, root: Path, day: str, state: str, revision: int
) -> None:
    before = contents(root)
    report = fetched(lake, day)
    assert (report["outcome"], report["state"], report["revision"]) == ("unchanged", state, revision)
    assert contents(root) == before


def test_a_provisional_session_becomes_complete_as_the_same_revision(lake: Lake) -> None:
    before = content_hash_of(lake, PROVISIONAL)
    report = fetched(lake, PROVISIONAL)
    assert (report["outcome"], report["state"], report["revision"]) == ("renewed", "complete", 1)
    assert report["content_hash"] == content_hash_of(lake, PROVISIONAL) == before
    assert verified(lake).states == {"complete": 3, "suspect": 1}


def test_another_answer_is_a_revision_of_what_the_earlier_version_wrote(lake: Lake, vendor: Simulator) -> None:
    before = rows_of(lake, PLAIN)
    vendor.faults.set(PLAIN, [{"fault": "changed:5", "page": 1}])
    report = fetched(lake, PLAIN)
    assert (report["outcome"], report["revision"]) == ("revised", 2)
    assert report["changes"].startswith("bars added 0, removed 0, changed 5 since revision 1;")
    assert revisions_of(lake).read_revision("SPY", dt.date(2024, 11, 26), 1).equals(before)
    assert verified(lake).findings == ()


@pytest.mark.parametrize("day", ROWS)
def test_raw_pages_give_the_same_rows(lake: Lake, root: Path, vendor: Simulator, day: str) -> None:
    before, asked = content_hash_of(lake, day), len(vendor.requests)
    held = contents(root)
    again = rebuilt(lake, day)
    assert (again["outcome"], again["content_hash"]) == ("unchanged", before)
    assert contents(root) == held
    path = root / PARTITION.format(day)
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 0xFF
    path.write_bytes(bytes(damaged))
    assert content_hash_of(lake, day) is None
    mended = rebuilt(lake, day)
    assert (mended["outcome"], mended["content_hash"]) == ("renewed", before)
    path.unlink()
    made_anew = rebuilt(lake, day)
    assert (made_anew["outcome"], made_anew["content_hash"]) == ("created", before)
    assert content_hash_of(lake, day) == before
    assert len(vendor.requests) == asked
    assert verified(lake).findings == ()


def test_the_audit_goes_by_the_earlier_notes_and_looks_at_the_rest(lake: Lake) -> None:
    assert days_due(lake) == [PROVISIONAL, SUSPECT, REVISED]
    assert {day: audited(lake, day) for day in ROWS} == {
        PLAIN: ("asked for", "unchanged", "complete"),
        SUSPECT: ("revisit", "unchanged", "suspect"),
        REVISED: ("revisit", "unchanged", "complete"),
        PROVISIONAL: ("provisional", "renewed", "complete"),
    }
    assert days_due(lake) == []


def test_both_revisions_are_listed_and_read(lake: Lake) -> None:
    day, revisions = dt.date(2024, 11, 29), revisions_of(lake)
    listed = [(one.number, one.newest, str(one.published_at)) for one in revisions.list_revisions("SPY", day)]
    assert listed == [(1, False, "2024-12-02 22:00:00+00:00"), (2, True, "2025-01-02 17:00:00+00:00")]
    first, second = (revisions.read_revision("SPY", day, number) for number in (1, 2))
    assert second.equals(rows_of(lake, REVISED))
    before, after = changed_rows(first, second)
    assert (before.num_rows, after.num_rows) == (17, 17)
    more = [new - old for old, new in zip(*(table["volume"].to_pylist() for table in (before, after)), strict=True)]
    assert more == [1] * 17


@pytest.mark.parametrize(("at", "revision"), [
    ("2024-12-02T21:59:59+00:00", None),
    ("2024-12-02T22:00:00+00:00", 1),
    ("2025-01-02T16:59:59+00:00", 1),
    ("2025-01-02T17:00:00+00:00", 2),
])  # fmt: skip
def test_a_time_reads_what_stood_then(lake: Lake, at: str, revision: int | None) -> None:
    day, revisions = dt.date(2024, 11, 29), revisions_of(lake)
    rows = revisions.read_as_of("SPY", day, dt.datetime.fromisoformat(at))
    assert rows == (revisions.read_revision("SPY", day, revision) if revision else None)


def test_the_lines_that_its_readme_printed_run_unchanged(
    earlier: EarlierVersion, root: Path, vendor: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(root, vendor, page_limit=200).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(root.parent)  # where "data/processed/spy" is
    blocks = re.findall(r"^```python\n(.*?)^```$", (earlier.folder / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    found: dict[str, Any] = {}
    for block in blocks:
        exec(block, found)
    assert {len(found["df"]), found["table"].num_rows, found["frame"].height, len(found["relation"].fetchall())} == {
        1377
    }
    assert len(found["regular"]) == 1377
    assert found["then"].equals(found["first"])
    assert found["first"].num_rows == 210
    before, after = found["changes"].changed_rows(
        found["first"], found["revisions"].read_revision("SPY", found["day"], 2)
    )
    assert (before.num_rows, after.num_rows) == (17, 17)


# The same answers, fetched by both.


class SparseAndDenseDays:
    """Sparse days, and one that is as dense as today's are."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        return (MadeUpDays() if str(day) == DENSE else SparseDays()).bars(ticker, day)


CASES: dict[str, tuple[str, str | None]] = {
    "as it is": (PLAIN, None),
    "suspect": (SUSPECT, WITHOUT_THREE_MINUTES),
    "an early close": (REVISED, None),
    "provisional": (PROVISIONAL, None),
    "without vwap and transactions": ("2024-12-03", "no_vwap_no_transactions"),
    "a fractional volume": ("2024-12-04", "fractional_volume"),
    "dense": (DENSE, None),
    "numbers with exponents": ("2024-12-06", "exponents"),
    "revised": ("2024-12-09", "changed:17"),
}
"""Session and fault, which stays; of the last case, it is gone when the session is fetched again."""
TWICE = CASES["revised"][0]


@pytest.fixture(scope="module")
def both(earlier: EarlierVersion, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two lakes that were empty, filled with the same answers at the same time: by the earlier version, and by this.

    The vendor gives every answer the same request id, where else each has one of its own.
    """
    roots = (tmp_path_factory.mktemp("filled-before"), tmp_path_factory.mktemp("filled-now"))
    days = [day for day, _ in CASES.values()]
    times = {day: FIRST if day == PROVISIONAL else LATER for day in days}
    faults = {day: [{"fault": fault, "times": 0}] for day, fault in CASES.values() if fault}
    faults[TWICE] = [{"fault": "changed:17", "times": 1}]
    steps = [f"{'provisional' if day == PROVISIONAL else 'ingest'} {day} {times[day]}" for day in (*days, TWICE)]
    with pytest.MonkeyPatch.context() as patched, Simulator(SparseAndDenseDays(), KEY, now_s=NOW.timestamp) as vendor:
        patched.setattr("polygon_simulator.server.request_id", lambda: "0123456789abcdef0123456789abcdef")
        vendor.faults.replace(faults)
        earlier.writes(variables(roots[0], vendor, page_limit=20_000), *steps)
        vendor.faults.replace(faults)
        for day in (*days, TWICE):
            lake = lake_at(variables(roots[1], vendor, page_limit=20_000), dt.datetime.fromisoformat(times[day]))
            fetched(lake, day, provisional=day == PROVISIONAL)
    return roots


def footer(root: Path, day: str) -> dict[str, Any]:
    """The certificate as it stands in the file."""
    found = pq.read_metadata(root / PARTITION.format(day)).metadata[b"marketlake.certificate"]
    return dict(json.loads(found))


def chunks(root: Path, day: str) -> dict[tuple[int, str], bytes]:
    """The bytes of every column chunk, with the headers of its pages, by row group and column."""
    data = (root / PARTITION.format(day)).read_bytes()
    metadata = pq.read_metadata(pa.BufferReader(data))
    found = {}
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            start = column.dictionary_page_offset or column.data_page_offset
            found[group, column.path_in_schema] = data[start : start + column.total_compressed_size]
    return found


def test_both_wrote_the_same_files(both: tuple[Path, Path]) -> None:
    before, now = (files_under(root) for root in both)
    assert now == {name.replace("/pages.tar", "/pages-*.tar") for name in before}  # each under a name of its own
    assert len(now) == 9 + 10 + 1  # partitions, raw pages of each revision, one revision that was replaced


@pytest.mark.parametrize("day", [day for day, _ in CASES.values()], ids=CASES)
def test_the_same_answer_has_the_same_content(both: tuple[Path, Path], day: str) -> None:
    before, now = (footer(root, day)["content_hash"] for root in both)
    assert re.fullmatch("[0-9a-f]{64}", before)
    assert now == before


@pytest.mark.parametrize("day", [day for day, _ in CASES.values()], ids=CASES)
def test_the_columns_are_the_same_byte_for_byte(both: tuple[Path, Path], day: str) -> None:
    before, now = (chunks(root, day) for root in both)
    assert list(now) == list(before)
    assert [name for _, name in before] == [
        "timestamp", "open", "high", "low", "close", "volume", "vwap", "ticker", "transactions", "volume_exact",
    ]  # fmt: skip
    assert all(before.values())
    assert [place for place in before if now[place] != before[place]] == []


@pytest.mark.parametrize("day", [day for day, _ in CASES.values()], ids=CASES)
def test_a_certificate_says_the_same_and_what_is_new(both: tuple[Path, Path], day: str) -> None:
    """Times, too: both had the same clock, and the vendor's request ids are all the same."""
    before, now = (footer(root, day) for root in both)
    assert TIMES | {"request_ids", "content_hash", "reconciliation", "changes"} <= set(before)
    assert set(now) - set(before) == NEW_IN_CERTIFICATES
    assert {name: now.get(name) for name in before} == before


def test_the_cases_are_what_they_are_called(both: tuple[Path, Path]) -> None:
    before = {name: footer(both[0], day) for name, (day, _) in CASES.items()}
    assert {name: one["state"] for name, one in before.items() if one["state"] != "complete"} == {
        "suspect": "suspect",
        "provisional": "provisional",
        "numbers with exponents": "suspect",
    }
    assert {name: one["pages"] for name, one in before.items() if one["pages"] != 1} == {"dense": 2}
    assert (before["revised"]["revision"], before["revised"]["changes"]["changed"]) == (2, 17)
