"""Offline verification: each kind of damage is found, named, and mended by what it says to do."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import behind_the_lake as behind
from commanded import commanded
from conftest import KEY, NOW, a_client, settle
from doc_tables import PROJECT
from marketlake import commands, settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import SettingsError
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.partitions.seal import SEAL_KEY, Seal, seal_of
from marketlake.rows.bars import STOCK_BARS
from marketlake.verify.examination import examine
from marketlake.verify.findings import Kind, next_step
from marketlake.verify.verify import Verification, verify
from polygon_simulator.server import Simulator
from seconds import kept_by, spy
from sparse_days import SparseDays

MONDAY, TUESDAY, WEDNESDAY, FRIDAY = (dt.date(2024, 11, day) for day in (25, 26, 27, 29))
THANKSGIVING = dt.date(2024, 11, 28)
SESSIONS = [MONDAY, TUESDAY, WEDNESDAY, FRIDAY]

either_place = pytest.mark.places("folder", "bucket")

Found = list[tuple[str, dt.date | None, str]]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(SparseDays(), KEY) as running:
        yield running


@pytest.fixture(scope="module")
def pristine(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sessions of SPY, and one of QQQ in a lake of its own, as they were published."""
    folder = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARKETLAKE_ENV_FILE", "")
        patch.setenv("POLYGON_BASE_URL", simulator.url)
        for root, ticker, sessions in ((folder / "spy", "SPY", SESSIONS), (folder / "qqq", "QQQ", [TUESDAY])):
            patch.setenv("MARKETLAKE__STORAGE__ROOT", str(root))
            lake = Lake(settings.load(), now=lambda: NOW)
            for session in sessions:
                ingest(lake, SECOND_BARS, SECOND_BARS.spec.key(ticker, session), a_client(lake, []))
    return folder


@pytest.fixture
def lake(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, simulator: Simulator, pristine: Path,
    request: pytest.FixtureRequest,
) -> Lake:  # fmt: skip
    settle(place, monkeypatch, tmp_path, request)
    monkeypatch.setenv("POLYGON_BASE_URL", simulator.url)
    made = Lake(settings.load(), now=lambda: NOW)
    behind.fill(made, pristine / "spy")
    behind.fill(made, pristine / "qqq/processed", below="aside/")
    return made


def fetching_again(ticker: str, first: dt.date, last: dt.date) -> str:
    """The command in a checkout that has a DAG for SPY alone."""
    return commands.fetching("second_bars", ticker, first, last, tickers=["SPY"], again=True)


def key_of(lake: Lake, session: dt.date = TUESDAY) -> str:
    return kept_by(lake).partitions.path(spy(session))


def data_of(lake: Lake, session: dt.date = TUESDAY) -> bytes:
    return behind.bytes_of(lake, key_of(lake, session))


def overwrite(lake: Lake, data: bytes, session: dt.date = TUESDAY) -> None:
    behind.write(lake, key_of(lake, session), data)


def as_file(rows: pa.Table) -> bytes:
    """What Arrow makes of a table, its metadata included."""
    file = io.BytesIO()
    pq.write_table(rows, file)
    return file.getvalue()


def path_of(lake: Lake, session: dt.date = TUESDAY) -> Path:
    return lake.storage.path(key_of(lake, session))


def parts(lake: Lake) -> tuple[pa.Table, Certificate]:
    """Tuesday's rows and certificate."""
    rows, certificate = kept_by(lake).partitions.read(spy(TUESDAY)), kept_by(lake).partitions.certificate(spy(TUESDAY))
    assert rows is not None
    assert certificate is not None
    return rows, certificate


def published(lake: Lake, rows: pa.Table, certificate: Certificate) -> None:
    """Written as the lake writes, with a seal that holds."""
    with lake.storage.exclusive("a test", timeout_s=1) as writer:
        partitions = kept_by(lake).partitions
        partitions.publish(writer, rows, certificate, partitions.inspect(certificate.key))


def claiming(**changes: Any) -> Callable[[Lake], None]:
    """The certificate altered, and everything else, the seal too, made to fit."""

    def damage(lake: Lake) -> None:
        rows, certificate = parts(lake)
        published(lake, rows, msgspec.structs.replace(certificate, **changes))

    return damage


def with_rows(change: Callable[[pa.Table], pa.Table]) -> Callable[[Lake], None]:
    """The rows altered under their old certificate, with a seal that holds."""

    def damage(lake: Lake) -> None:
        rows, certificate = parts(lake)
        published(lake, change(rows), certificate)

    return damage


def rewritten(change: Callable[[pa.Table], pa.Table]) -> Callable[[Lake], None]:
    """Altered by a program that carries the footer's entries along, the seal too."""

    def damage(lake: Lake) -> None:
        footer = pq.read_metadata(io.BytesIO(data_of(lake))).metadata
        rows = change(pq.read_table(io.BytesIO(data_of(lake))))
        overwrite(lake, as_file(rows.replace_schema_metadata(footer)))

    return damage


def with_bytes(change: Callable[[bytes], bytes]) -> Callable[[Lake], None]:
    def damage(lake: Lake) -> None:
        overwrite(lake, change(data_of(lake)))

    return damage


def copied(target: str) -> Callable[[Lake], None]:
    """Tuesday's file, copied to another place under ``processed/``."""

    def damage(lake: Lake) -> None:
        behind.write(lake, f"processed/{target}", data_of(lake))

    return damage


def put(target: str) -> Callable[[Lake], None]:
    def damage(lake: Lake) -> None:
        behind.write(lake, f"processed/{target}", b"a note")

    return damage


def swapped(lake: Lake) -> None:
    behind.move(lake, key_of(lake), "between")
    behind.move(lake, key_of(lake, FRIDAY), key_of(lake))
    behind.move(lake, "between", key_of(lake, FRIDAY))


def on_a_holiday(lake: Lake) -> None:
    rows, certificate = parts(lake)
    published(lake, rows, msgspec.structs.replace(certificate, session=THANKSGIVING))


def by_pyarrow(lake: Lake) -> None:
    overwrite(lake, as_file(pq.read_table(io.BytesIO(data_of(lake)))))


def by_pandas(lake: Lake) -> None:
    overwrite(lake, pd.read_parquet(io.BytesIO(data_of(lake))).to_parquet())


def unsealed(lake: Lake) -> None:
    """As an earlier version wrote: a certificate and no seal."""
    rows, certificate = parts(lake)
    overwrite(lake, as_file(rows.replace_schema_metadata({"marketlake.certificate": certificate.encode()})))


def edited_in_place(lake: Lake) -> None:
    data = data_of(lake)
    assert data.count(b'"rows":390,') == 1
    overwrite(lake, data.replace(b'"rows":390,', b'"rows":391,'))


def dearer(rows: pa.Table) -> pa.Table:
    return rows.set_column(4, rows.schema.field("close"), pa.array([99.0, *rows["close"].to_pylist()[1:]]))


def without_the_last(rows: pa.Table) -> pa.Table:
    return rows.slice(0, 389)


def as_int32(rows: pa.Table) -> pa.Table:
    field = pa.field("transactions", pa.int32())
    return rows.set_column(8, field, rows["transactions"].cast(pa.int32()))


def removed(*sessions: dt.date) -> Callable[[Lake], None]:
    def damage(lake: Lake) -> None:
        for session in sessions:
            behind.remove(lake, key_of(lake, session).removesuffix("/bars.parquet"))

    return damage


def emptied(lake: Lake) -> None:
    path_of(lake).unlink()


def wrong_ticker(lake: Lake) -> None:
    overwrite(lake, behind.bytes_of(lake, "aside/qqq/date=2024-11-26/bars.parquet"))


def other_ticker_within(rows: pa.Table) -> pa.Table:
    return rows.set_column(7, rows.schema.field("ticker"), pa.array(["QQQ"] * rows.num_rows))


def odd_bar(lake: Lake) -> None:
    """Bars that must not enter, hashed and summed as if they might."""
    rows, certificate = parts(lake)
    low = pa.array([*rows["low"].to_pylist()[:-1], 9_999.0])
    rows = rows.set_column(3, rows.schema.field("low"), low)
    published(lake, rows, msgspec.structs.replace(certificate, content_hash=STOCK_BARS.content_hash(rows)))


def check_removed(lake: Lake) -> None:
    rows, certificate = parts(lake)
    published(lake, rows, msgspec.structs.replace(certificate, checks=certificate.checks[1:]))


def regular_hours_longer(lake: Lake) -> None:
    rows, certificate = parts(lake)
    hours = msgspec.structs.replace(certificate.hours, day_end_ms=certificate.hours.day_end_ms + 1000)
    published(lake, rows, msgspec.structs.replace(certificate, hours=hours))


def silence_unchecked(lake: Lake) -> None:
    rows, certificate = parts(lake)
    kept = tuple(check for check in certificate.checks if check.name != "long_silence")
    published(lake, rows, msgspec.structs.replace(certificate, checks=kept))


def tuesday(kind: str) -> Found:
    return [("SPY", TUESDAY, kind)]


BEFORE_FINAL_MS = 1732719600000 - 1
"""A millisecond before 10:00 New York on Wednesday."""

DAMAGE: dict[str, tuple[Callable[[Lake], None], Found, str]] = {
    "half a file": (with_bytes(lambda data: data[: len(data) // 2]), tuesday("damaged"), r"cut off or overwritten: \d"),
    "last byte gone": (with_bytes(lambda data: data[:-1]), tuesday("damaged"), "cut off or overwritten"),
    "empty file": (with_bytes(lambda _: b""), tuesday("damaged"), "the file is empty"),
    "zeros": (with_bytes(lambda data: bytes(len(data))), tuesday("damaged"), "cut off or overwritten"),
    "text": (with_bytes(lambda _: b"PAR1 not at all PAR1"), tuesday("damaged"), "no table can be read from it"),
    "a name that is no text": (
        with_bytes(lambda data: data.replace(b"volume_exact", b"volume_exac\xe5")), tuesday("damaged"), "codec can't",
    ),
    "a byte more": (with_bytes(lambda data: b"x" + data), tuesday("damaged"), "no table can be read"),
    "certificate edited in place": (edited_in_place, tuesday("damaged"), "its rows are still those of its certificate"),
    "another day's file": (
        lambda lake: overwrite(lake, data_of(lake, MONDAY)),
        tuesday("misplaced"), "it holds SPY 2024-11-25",
    ),
    "two days swapped": (
        swapped, [("SPY", TUESDAY, "misplaced"), ("SPY", FRIDAY, "misplaced")], "it holds SPY 2024-11-29",
    ),
    "another ticker's file": (wrong_ticker, tuesday("misplaced"), "it holds QQQ 2024-11-26"),
    "another ticker's rows": (
        with_rows(other_ticker_within), tuesday("rows differ"), r"ticker QQQ \(certificate: SPY\)",
    ),
    "a row less": (with_rows(without_the_last), tuesday("rows differ"), r"rows 389 \(certificate: 390\), last"),
    "a price altered": (with_rows(dearer), tuesday("rows differ"), "content_hash differs"),
    "rewritten with a row less": (rewritten(without_the_last), tuesday("damaged"), r"rows 389 \(certificate: 390\)"),
    "rewritten, nothing altered": (rewritten(lambda rows: rows), tuesday("damaged"), "rows are still those"),
    "rewritten by pandas": (by_pandas, tuesday("foreign schema"), "timestamp int64 instead of nothing"),
    "columns in another order": (
        with_rows(lambda rows: rows.select(sorted(rows.column_names))), tuesday("foreign schema"), "another order",
    ),
    "rewritten in another order": (
        rewritten(lambda rows: rows.select(sorted(rows.column_names))), tuesday("foreign schema"), "another order",
    ),
    "another type": (
        with_rows(as_int32), tuesday("foreign schema"), "transactions int32 instead of nothing, no transactions int64",
    ),
    "a column more": (
        with_rows(lambda rows: rows.append_column("note", pa.array(["x"] * 390))), tuesday("foreign schema"),
        "note string instead of nothing",
    ),
    "rewritten by pyarrow": (by_pyarrow, tuesday("no certificate"), "no certificate that can be read"),
    "no seal": (unsealed, tuesday("unsealed"), "it has no seal"),
    "seal's name altered": (
        with_bytes(lambda data: data.replace(SEAL_KEY, b"marketlake.sea1")), tuesday("unsealed"), "its footer was",
    ),
    "rows claimed": (claiming(rows=391), tuesday("claim differs"), r"rows 390 \(certificate: 391\)"),
    "first second claimed": (claiming(first_timestamp=1), tuesday("claim differs"), "first_timestamp 1732631400000"),
    "last second claimed": (claiming(last_timestamp=1), tuesday("claim differs"), "last_timestamp 1732654740000"),
    "volume claimed": (claiming(volume=1.5), tuesday("claim differs"), r"volume \d+.0 \(certificate: 1.5\)"),
    "trades claimed": (claiming(transactions=7), tuesday("claim differs"), r"transactions \d+ \(certificate: 7\)"),
    "another schema's version": (claiming(schema_version=9), tuesday("claim differs"), "schema_version 1 "),
    "hash claimed": (claiming(content_hash="0" * 64), tuesday("rows differ"), "content_hash differs"),
    "hours claimed": (regular_hours_longer, tuesday("hours differ"), r"day_end_ms 1732683600000 by the calendar"),
    "a check left out": (check_removed, tuesday("checks differ"), "outcome of outside_day is not that of its rows"),
    "an odd bar": (odd_bar, [("SPY", TUESDAY, "checks differ")] * 3, "low_above_open fails 1 times without a waiver"),
    "a waiver of nothing": (
        claiming(waivers=("low_above_open",), state=State.SUSPECT), tuesday("checks differ"), "and does not fail",
    ),
    "suspect for no reason": (claiming(state=State.SUSPECT), tuesday("state differs"), "suspect without a reason"),
    "empty with rows": (claiming(state=State.EMPTY), tuesday("state differs"), "empty, but it holds 390 rows"),
    "complete before final": (claiming(fetched_at_ms=BEFORE_FINAL_MS), tuesday("state differs"), "before the"),
    "silence not checked": (silence_unchecked, tuesday("state differs"), "long_silence was not checked"),
    "a session gone": (removed(TUESDAY), tuesday("missing"), "it has no partition"),
    "two sessions gone": (removed(TUESDAY, WEDNESDAY), tuesday("missing"), "2 sessions to 2024-11-27 have no"),
    "a folder emptied": (emptied, tuesday("missing"), "no file can be seen in its folder"),
    "an empty folder": (
        lambda lake: behind.make_folder(lake, "processed/spy/new folder"),
        [("SPY", None, "stray")], "'processed/spy/new folder' is a folder in which no file can be seen",
    ),
    "on a holiday": (
        copied("spy/date=2024-11-28/bars.parquet"),
        [("SPY", THANKSGIVING, "misplaced"), ("SPY", THANKSGIVING, "no session")], "the exchange did not trade",
    ),
    "published on a holiday": (on_a_holiday, [("SPY", THANKSGIVING, "no session")], "the exchange did not trade"),
    "a file beside": (put("spy/date=2024-11-26/notes.txt"), tuesday("stray"), "/notes.txt' is no"),
    "a hidden file": (put("spy/date=2024-11-26/.bars.parquet.crc"), tuesday("stray"), "is no partition"),
    "a leftover": (put("spy/date=2024-11-26/bars.parquet.tmp"), tuesday("stray"), "is no partition"),
    "a folder within": (put("spy/date=2024-11-26/deep/er/x"), tuesday("stray"), "2024-11-26/deep' is no partition"),
    "a file among the days": (put("spy/_SUCCESS"), [("SPY", None, "stray")], "is no partition"),
    "a file among the tickers": (put("README"), [("", None, "stray")], "'processed/README' is no partition"),
    "a name to be careful with": (put("spy/\x1b[31m\n"), [("SPY", None, "stray")], r"'processed/spy/\\x1b\[31m\\n'"),
    "a date that is none": (put("spy/date=2024-02-30/bars.parquet"), [("SPY", None, "stray")], "is no partition"),
    "a second file": (copied("spy/date=2024-11-26/bars (1).parquet"), tuesday("duplicate"), "second file of"),
    "a second folder": (
        copied("spy/date=2024-11-26 copy/bars.parquet"), [("SPY", None, "duplicate")], "second file of SPY 2024-11-26",
    ),
    "another spelling of the date": (
        copied("spy/date=20241126/bars.parquet"), [("SPY", None, "duplicate")], "second file of SPY 2024-11-26",
    ),
    "another spelling of the ticker": (
        copied("Spy/date=2024-11-26/bars.parquet"), [("", None, "duplicate")], "second file of SPY 2024-11-26",
    ),
    "of another source": (
        claiming(source_host="api.massive.com"), tuesday("mixed"), "unadjusted and from the vendor, most of the lake's",
    ),
    "adjusted": (claiming(adjusted=True), tuesday("mixed"), "its rows are adjusted and from 127.0.0.1"),
}  # fmt: skip


OF_PLACES = (
    "half a file", "empty file", "another day's file", "two days swapped", "rewritten by pandas", "a session gone",
    "two sessions gone", "an empty folder", "on a holiday", "a file beside", "a folder within", "a file among the days",
    "a file among the tickers", "a name to be careful with", "a second file", "a second folder",
    "another spelling of the ticker",
)  # fmt: skip
"""Damage that a bucket could show in another way: by what is read, by what is listed, by what is not there."""
in_either_place = pytest.mark.parametrize(
    ("place", "name"), [*(("folder", name) for name in DAMAGE), *(("bucket", name) for name in OF_PLACES)]
)


def found(done: Verification) -> Found:
    return [(one.ticker, one.session, one.kind.value) for one in done.findings]


@either_place
def test_an_undisturbed_lake_has_no_finding(lake: Lake) -> None:
    done = verify(lake, SECOND_BARS)
    assert done.findings == ()
    assert (done.tickers, done.partitions, done.rows, done.states) == (("SPY",), 4, 3 * 390 + 210, {"complete": 4})
    assert done.size_bytes == sum(len(data_of(lake, session)) for session in SESSIONS)


@in_either_place
def test_damage_is_found_and_named(lake: Lake, name: str) -> None:
    damage, expected, detail = DAMAGE[name]
    damage(lake)
    done = verify(lake, SECOND_BARS)
    assert found(done) == expected
    assert any(re.search(detail, one.detail) for one in done.findings), done.findings
    assert all("\n" not in one.detail for one in done.findings)


@in_either_place
def test_what_a_finding_says_to_do_mends_it(lake: Lake, tmp_path: Path, name: str) -> None:
    DAMAGE[name][0](lake)
    before = kept_by(lake).partitions.inspect(spy(MONDAY))
    for number, finding in enumerate(verify(lake, SECOND_BARS).findings):
        step = next_step(finding, "", fetching_again)
        if "move " in step:
            named = re.search(r"move (processed/\S+) out", step)
            key = named[1] if named else eval(finding.detail[: finding.detail.rindex("'") + 1])
            behind.move(lake, key.rstrip("/"), f"moved/{number}")
        if again := re.search(r"make backfill FROM=(\S+) TO=(\S+) REFETCH=1$", step):
            for session in lake.calendar.sessions(*map(dt.date.fromisoformat, again.groups())):
                ingest(lake, SECOND_BARS, spy(session), a_client(lake, []))
    assert verify(lake, SECOND_BARS).findings == ()
    assert kept_by(lake).partitions.inspect(spy(MONDAY)) == before


def test_a_bit_flipped_anywhere_is_found(lake: Lake) -> None:
    data, hours = path_of(lake).read_bytes(), lake.calendar.hours(TUESDAY)
    assert examine(data, SECOND_BARS, spy(TUESDAY), hours).findings == ()
    chance = random.Random("flips")
    ends = [*range(12), *range(len(data) - 12, len(data))]
    for position in [*ends, *chance.sample(range(len(data)), 300)]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << chance.randrange(8)
        done = examine(bytes(flipped), SECOND_BARS, spy(TUESDAY), hours)
        assert len(done.findings) == 1, position
        assert done.state is None


def test_no_single_bit_of_a_file_is_without_a_seal(lake: Lake) -> None:
    data = path_of(lake).read_bytes()
    assert seal_of(data) is Seal.HOLDS
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        assert seal_of(bytes(flipped)) is not Seal.HOLDS, position


def test_a_partition_without_a_seal_is_written_anew_when_fetched_again(lake: Lake) -> None:
    unsealed(lake)
    report = ingest(lake, SECOND_BARS, spy(TUESDAY), a_client(lake, []))
    assert (report.outcome, report.revision) == ("renewed", 1)
    assert seal_of(data_of(lake)) is Seal.HOLDS
    assert ingest(lake, SECOND_BARS, spy(TUESDAY), a_client(lake, [])).outcome == "unchanged"


@either_place
def test_a_partition_whose_seal_is_broken_proves_nothing(lake: Lake) -> None:
    edited_in_place(lake)
    held = kept_by(lake).partitions.inspect(spy(TUESDAY))
    assert held is not None
    assert held.certificate is None
    assert rebuild(lake, SECOND_BARS, spy(TUESDAY)).outcome == "renewed"  # from its raw pages
    assert verify(lake, SECOND_BARS).findings == ()


def test_a_file_that_may_not_be_read_is_named_and_the_others_are_verified(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == path_of(lake):
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    done = verify(lake, SECOND_BARS)
    assert found(done) == [("SPY", TUESDAY, "unreadable")]
    assert f"cannot read {path_of(lake)}: Permission denied" in done.findings[0].detail
    assert done.states == {"complete": 3}
    assert next_step(done.findings[0], "", fetching_again) == (
        "see who may read processed/spy/date=2024-11-26, then verify again"
    )


def test_a_partition_before_the_history_is_named(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__HISTORY__START_DATE", "2024-11-26")
    done = verify(Lake(settings.load(), now=lambda: NOW), SECOND_BARS)
    assert found(done) == [("SPY", MONDAY, "outside history")]
    assert done.findings[0].detail == "the lake's history is 2024-11-26 to today"


@either_place
def test_states_are_counted_and_are_no_findings(
    lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = dt.datetime(2024, 11, 27, 15, tzinfo=dt.UTC)  # 10:00 New York on Wednesday
    for key in ("processed", "raw", "lake.json"):
        behind.remove(lake, key)
    then = Lake(lake.settings, now=lambda: early)
    ingest(then, SECOND_BARS, spy(TUESDAY), a_client_at(then, early), allow_provisional=True)
    simulator.faults.set(str(MONDAY), [{"fault": "low_above_open", "times": 0}])
    monkeypatch.setenv("MARKETLAKE__QUALITY__ACCEPT", '{"SPY": {"2024-11-25": ["low_above_open", "low_above_close"]}}')
    accepting = Lake(settings.load(), now=lambda: NOW)
    ingest(accepting, SECOND_BARS, spy(MONDAY), a_client(accepting, []))
    simulator.faults.set(str(MONDAY), [])
    done = verify(lake, SECOND_BARS)
    assert done.findings == ()
    assert done.states == {"provisional": 1, "suspect": 1}


def test_a_session_that_lacks_minutes_is_suspect_and_may_not_pass_for_complete(
    lake: Lake, simulator: Simulator
) -> None:
    noon_ms = 1732640400000
    simulator.faults.set(
        str(TUESDAY), [{"fault": f"without:{noon_ms}-{noon_ms + 60_000}", "times": 0, "timespan": "second"}]
    )
    assert ingest(lake, SECOND_BARS, spy(TUESDAY), a_client(lake, [])).state == "suspect"
    simulator.faults.set(str(TUESDAY), [])
    assert (verify(lake, SECOND_BARS).findings, verify(lake, SECOND_BARS).states) == ((), {"complete": 3, "suspect": 1})
    claiming(state=State.COMPLETE)(lake)
    done = verify(lake, SECOND_BARS)
    assert found(done) == tuesday("state differs")
    assert done.findings[0].detail.startswith("complete, although ")


def a_client_at(lake: Lake, instant: dt.datetime) -> Any:
    client = a_client(lake, [])
    client.transport.now_s = instant.timestamp
    return client


def test_a_bound_on_silence_that_has_changed_since_is_no_finding(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__QUALITY__MAX_SILENCE_S", "900")
    strict = Lake(settings.load(), now=lambda: NOW)
    assert verify(strict, SECOND_BARS).findings == ()
    assert ingest(strict, SECOND_BARS, spy(TUESDAY), a_client(strict, [])).outcome == "renewed"
    monkeypatch.delenv("MARKETLAKE__QUALITY__MAX_SILENCE_S")
    assert verify(Lake(settings.load(), now=lambda: NOW), SECOND_BARS).findings == ()


@pytest.mark.parametrize(
    ("first", "last", "partitions", "expected"),
    [
        (MONDAY, MONDAY, 1, []),
        (None, TUESDAY, 1, [("SPY", TUESDAY, "missing")]),
        (TUESDAY, FRIDAY, 2, [("SPY", TUESDAY, "missing")]),
        (dt.date(2024, 11, 21), MONDAY, 1, [("SPY", dt.date(2024, 11, 21), "missing")]),
        (FRIDAY, dt.date(2026, 12, 31), 1, [("SPY", dt.date(2024, 12, 2), "missing")]),
        (TUESDAY, TUESDAY, 0, [("SPY", TUESDAY, "missing")]),
    ],
)
def test_a_range_is_verified_whole_and_alone(
    lake: Lake, first: dt.date | None, last: dt.date | None, partitions: int, expected: Found
) -> None:
    removed(TUESDAY)(lake)
    done = verify(lake, SECOND_BARS, first=first, last=last)
    assert (done.partitions, found(done)) == (partitions, expected)


def test_missing_sessions_end_with_the_last_final_one(lake: Lake) -> None:
    done = verify(lake, SECOND_BARS, first=FRIDAY, last=dt.date(2026, 12, 31))
    assert done.findings[0].last == dt.date(2026, 11, 19)


@either_place
def test_each_ticker_has_a_range_of_its_own_and_one_can_be_named(lake: Lake) -> None:
    behind.move(lake, "aside/qqq", "processed/qqq")
    assert (
        verify(lake, SECOND_BARS).tickers,
        verify(lake, SECOND_BARS).partitions,
        verify(lake, SECOND_BARS).findings,
    ) == (("QQQ", "SPY"), 5, ())
    only = verify(lake, SECOND_BARS, ticker="QQQ")
    assert (only.tickers, only.partitions) == (("QQQ",), 1)


@either_place
def test_what_mends_a_ticker_without_a_dag_names_it(lake: Lake) -> None:
    behind.move(lake, "aside/qqq", "processed/qqq")
    behind.write(lake, "processed/qqq/date=2024-11-26/bars.parquet", b"")
    finding = verify(lake, SECOND_BARS).findings[0]
    assert next_step(finding, "", fetching_again) == (
        "MARKETLAKE__TICKERS='[\"QQQ\"]' make backfill FROM=2024-11-26 TO=2024-11-26 REFETCH=1"
    )


def test_folders_that_are_links_are_followed_but_never_in_a_circle(lake: Lake) -> None:
    folder = lake.storage.root / "processed/spy"
    folder.rename(lake.storage.root.parent / "another disk")
    folder.symlink_to(lake.storage.root.parent / "another disk")
    assert verify(lake, SECOND_BARS).partitions == 4
    (folder / "again").symlink_to(folder)
    assert found(verify(lake, SECOND_BARS)) == [("SPY", None, "stray")]


def test_a_file_that_links_to_itself_is_named(lake: Lake) -> None:
    path_of(lake).unlink()
    path_of(lake).symlink_to(path_of(lake))
    assert found(verify(lake, SECOND_BARS)) == [("SPY", TUESDAY, "unreadable")]


def test_an_impossible_date_stops_no_other_command(lake: Lake) -> None:
    put("spy/date=2024-02-30/bars.parquet")(lake)
    assert kept_by(lake).partitions.sessions("SPY") == set(SESSIONS)


def test_what_lies_in_a_folder_outside_the_range_is_not_told(lake: Lake) -> None:
    for day in (TUESDAY, FRIDAY):
        path_of(lake, day).unlink()
    put("notes.txt")(lake)
    assert found(verify(lake, SECOND_BARS, first=TUESDAY, last=WEDNESDAY)) == [
        ("", None, "stray"),
        ("SPY", TUESDAY, "missing"),
    ]


@either_place
@pytest.mark.parametrize(
    "asked", [{"ticker": "DIA"}, {"first": dt.date(2024, 11, 30), "last": dt.date(2024, 12, 1)}], ids=str
)
def test_nothing_to_verify_is_no_success(lake: Lake, asked: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="nothing to verify under .*processed: check storage.root"):
        verify(lake, SECOND_BARS, **asked)


FIRST_DECODING = """
import sys
from marketlake.partitions.certificate import Certificate
import msgspec
called = []
sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_filename) if event == "call" else None)
try:
    Certificate.decode(b"{}")
except msgspec.ValidationError:
    sys.setprofile(None)
    print("refused", [name for name in called if "msgspec" in name])
"""


def test_threads_that_decode_a_first_certificate_find_its_type_looked_through() -> None:
    """Or the process ends in msgspec with a segmentation fault, now and then."""
    done = subprocess.run([sys.executable, "-c", FIRST_DECODING], capture_output=True, text=True, check=True)
    assert done.stdout == "refused []\n"


def test_the_command_without_findings_ends_with_0(lake: Lake) -> None:
    done = commanded("verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"SPY: 4 partitions under \S+/lake, 1,380 rows, 0\.1 MB, 4 complete; 0 findings; \d+\.\d s\n", done.stdout
    )


def test_the_command_names_each_finding_on_a_line_and_ends_with_1(lake: Lake, tmp_path: Path) -> None:
    removed(WEDNESDAY)(lake)
    overwrite(lake, b"")
    put("spy/_SUCCESS")(lake)
    done = commanded("verify", "--json", str(tmp_path / "findings.json"))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[1] in (PROJECT / "docs/operations.md").read_text().splitlines()
    assert lines[:-1] == [
        "SPY  -           stray    'processed/spy/_SUCCESS' is no partition: move it out of processed/",
        "SPY  2024-11-26  damaged  the file is empty: make backfill FROM=2024-11-26 TO=2024-11-26 REFETCH=1",
        "SPY  2024-11-27  missing  it has no partition: make backfill FROM=2024-11-27 TO=2024-11-27 REFETCH=1",
    ]
    assert ", 2 complete, 1 not proven; 3 findings; " in lines[-1]
    written = json.loads((tmp_path / "findings.json").read_text())
    assert [one["kind"] for one in written["findings"]] == ["stray", "damaged", "missing"]
    assert written["findings"][1]["session"] == "2024-11-26"


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, "required: command"),
        (["verify", "--from", "yesterday"], {}, "'yesterday' is no date: write it as YYYY-MM-DD"),
        (["verify", "--from", "2024-11-26", "--to", "2024-11-25"], {}, "SettingsError: --to 2024-11-25 is before"),
        (["verify", "--ticker", "dia"], {}, "SettingsError: nothing to verify"),
        (["verify"], {"MARKETLAKE__STORAGE__COMPRESSION": "lzo"}, "SettingsError: storage.compression"),
        (["verify", "--json", "/dev/null/x"], {}, "StorageError: cannot write /dev/null/x: Not a directory"),
    ],
)
def test_a_wrong_command_is_told_in_one_line_and_ends_with_2(
    lake: Lake, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    done = commanded(*arguments, **environment)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]


def test_every_kind_of_finding_is_shown_by_a_test() -> None:
    shown = {kind for _, expected, _ in DAMAGE.values() for *_, kind in expected}
    of_datasets_made_of_others = {"input differs"}  # test_inputs
    assert {kind.value for kind in Kind} - shown == {"outside history", "unreadable"} | of_datasets_made_of_others
