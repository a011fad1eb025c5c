"""Seconds against minute bars and the day bar: what is found, what it is called, what it never does."""

from __future__ import annotations

import datetime as dt
import io
import json
import tarfile
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import KEY, NOW, a_client, files_under
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import ComparisonLost, RawPagesUnusable
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.polygon.aggregates import decode
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Listing
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.quality.comparison import ShortMinute, against_minutes
from marketlake.quality.reconciliation import Reconciliation, reconcile
from marketlake.sessions import SessionCalendar
from marketlake.settings.sections import Reconcile
from polygon_simulator.folds import EXACT
from polygon_simulator.market import MadeUpDays
from polygon_simulator.server import Simulator
from seconds import a_request, archive_of, kept_by, spy

DAY = dt.date(2024, 11, 26)
OPEN_MS = 1732631400000
"""09:30 New York."""
MINUTE_MS = 60_000
RAW = "raw/spy/date=2024-11-26/rev=1/pages-*.tar"


def fault(simulator: Simulator, name: str, *, times: int = 0, timespan: str = "second") -> None:
    simulator.faults.set(str(DAY), [{"fault": name, "times": times, "timespan": timespan}])


def without(*minutes: int) -> str:
    """The fault that leaves out the seconds of those minutes after the open."""
    starts = [OPEN_MS + minute * MINUTE_MS for minute in minutes]
    return "without:" + ",".join(f"{start}-{start + MINUTE_MS}" for start in starts)


def certificate(lake: Lake) -> Certificate:
    found = kept_by(lake).partitions.certificate(spy(DAY))
    assert found is not None
    return found


def compared(lake: Lake) -> Reconciliation:
    found = certificate(lake).reconciliation
    assert found is not None
    return found


def test_an_undisturbed_session_agrees_in_every_minute(lake: Lake, simulator: Simulator, client: PolygonClient) -> None:
    assert ingest(lake, SECOND_BARS, spy(DAY), client).state == "complete"
    found = compared(lake)
    assert found.minutes is not None
    assert (found.minutes.agreeing, found.minutes.quiet, found.minutes.short) == (390, 1050, 0)
    assert (found.minutes.missing, found.minutes.extra, found.minutes.uncounted) == (0, 0, 0)
    assert found.minutes.trades_share == 1.0
    assert 0.99 < (found.minutes.volume_share or 0) < 1  # prints for volume alone
    assert found.day is not None
    assert 0.95 < (found.day.volume_ratio or 0) < 0.99  # the closing auction
    assert (found.not_compared, found.findings) == ({}, {"minute": (), "day": ()})
    assert [len(simulator.requests_for(DAY, span)) for span in ("second", "minute", "day")] == [1, 1, 1]


def test_three_minutes_without_seconds_make_the_session_suspect_and_are_named(
    simulator: Simulator, lake: Lake, client: PolygonClient
) -> None:
    simulator.days = MadeUpDays()
    simulator._seconds.cache_clear()
    fault(simulator, without(5, 6, 200))
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert report.state == "suspect"
    assert report.suspect_because == (
        "minutes that traded without one second: 3, at 09:35, 09:36, 12:50 New York (reconcile.missing_minutes = 0)",
    )
    found = compared(lake).minutes
    assert found is not None
    assert found.missing_starts_ms == (1732631700000, 1732631760000, 1732643400000)
    assert (found.missing, found.short, found.extra) == (3, 0, 0)


@pytest.mark.parametrize(("taken", "state"), [(1, "complete"), (40, "complete")])
def test_trades_that_seconds_lack_are_counted_by_the_minute(
    lake: Lake, simulator: Simulator, client: PolygonClient, taken: int, state: str
) -> None:
    fault(simulator, f"fewer_trades:{taken}")
    assert ingest(lake, SECOND_BARS, spy(DAY), client).state == state
    found = compared(lake).minutes
    assert found is not None
    assert (found.short, found.short_trades, found.agreeing) == (1, taken, 389)
    assert [minute.trades for minute in found.short_minutes] == [taken]


def test_trades_beyond_the_minute_bars_are_extra(lake: Lake, simulator: Simulator, client: PolygonClient) -> None:
    fault(simulator, "fewer_trades:1", timespan="minute")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    found = compared(lake).minutes
    assert found is not None
    assert (found.extra, found.extra_trades, found.short) == (1, 1, 0)


@pytest.mark.parametrize(
    ("limits", "names", "findings"),
    [
        ({}, (5,), {"minute": 1, "day": 0}),
        ({"missing_minutes": 1}, (5,), {"minute": 0, "day": 0}),
        ({"missing_minutes": 1}, (5, 6), {"minute": 1, "day": 0}),
        ({"missing_minutes": 390}, tuple(range(100, 125)), {"minute": 2, "day": 1}),  # trades and volume
        ({"missing_minutes": 390, "short_share": 0.5}, tuple(range(100, 125)), {"minute": 0, "day": 1}),
        ({"missing_minutes": 390, "short_share": 0.5, "day_short_share": 0.5}, tuple(range(100, 125)),
         {"minute": 0, "day": 0}),
    ],
)  # fmt: skip
def test_what_is_suspect_is_a_matter_of_settings(
    monkeypatch: pytest.MonkeyPatch,
    lake: Lake,
    simulator: Simulator,
    waits: list[float],
    limits: dict[str, float],
    names: tuple[int, ...],
    findings: dict[str, int],
) -> None:
    for name, value in limits.items():
        monkeypatch.setenv(f"MARKETLAKE__RECONCILE__{name.upper()}", str(value))
    own = Lake(settings.load(), now=lambda: NOW)
    fault(simulator, without(*names))
    report = ingest(own, SECOND_BARS, spy(DAY), a_client(own, waits))
    assert {part: len(found) for part, found in compared(own).findings.items()} == findings
    assert report.state == ("suspect" if any(findings.values()) else "complete")


def test_seconds_that_hold_more_than_minutes_and_day_are_suspect(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    simulator.differences = EXACT
    fault(simulator, "exponents")  # a second of 112 million shares
    assert ingest(lake, SECOND_BARS, spy(DAY), client).suspect_because == (
        "the seconds hold 648.65% more than the minute bars (reconcile.surplus_share = 0.01)",
        "the seconds hold 748.65% of the day bar's volume (reconcile.surplus_share = 0.01)",
    )


NOT_COMPARED = [
    ("not_entitled", "minute", "the plan does not include them"),
    ("not_entitled_in_200", "day", "the plan does not include them"),
    ("500", "minute", "the request failed (ServerTrouble)"),
    ("429", "day", "the request failed (RateLimited)"),
    ("html", "minute", "the request failed (UndecodableBody)"),
    ("bad_request", "day", "the request failed (BadRequest)"),
    ("wrong_ticker", "minute", "the request failed (MalformedPage)"),
    ("empty", "minute", "the API has none of this session"),
    ("null_results", "day", "the API has none of this session"),
    ("other_day", "minute", "they are of another day"),
    ("unsorted", "minute", "they do not ascend by the minute"),
    ("duplicate", "minute", "they do not ascend by the minute"),
    ("off_second", "minute", "they do not ascend by the minute"),
]


@pytest.mark.parametrize(("name", "timespan", "reason"), NOT_COMPARED)
def test_what_cannot_be_compared_is_said_and_fails_nothing(
    lake: Lake, simulator: Simulator, client: PolygonClient, name: str, timespan: str, reason: str
) -> None:
    fault(simulator, name, timespan=timespan)
    assert ingest(lake, SECOND_BARS, spy(DAY), client).state == "complete"
    found = compared(lake)
    assert found.not_compared == {timespan: reason}
    assert (found.minutes is None, found.day is None) == (timespan == "minute", timespan == "day")


@pytest.mark.parametrize(
    ("reference", "kept"),
    [
        ({"fault": "500", "timespan": "minute"}, "ServerTrouble"),
        ({"fault": "empty", "timespan": "minute"}, "the API has none of this session"),
        ({"fault": "500", "timespan": "day"}, "the day bars: the request failed"),
        ({"fault": "not_entitled", "timespan": "minute"}, None),
    ],
)
def test_rows_that_could_not_be_compared_replace_no_compared_ones_unless_the_plan_excludes_it(
    lake: Lake, simulator: Simulator, client: PolygonClient, reference: dict[str, str], kept: str | None
) -> None:
    assert ingest(lake, SECOND_BARS, spy(DAY), client).rows == 390
    path = lake.storage.root / kept_by(lake).partitions.path(spy(DAY))
    before = path.read_bytes()
    simulator.faults.set(str(DAY), [{"fault": without(*range(361, 390)), "times": 0}, reference | {"times": 0}])
    if kept is None:
        report = ingest(lake, SECOND_BARS, spy(DAY), client)
        assert (report.outcome, report.revision, report.rows) == ("revised", 2, 361)
        return
    with pytest.raises(ComparisonLost, match=r"removed 29, .*Nothing is replaced") as caught:
        ingest(lake, SECOND_BARS, spy(DAY), client)
    assert kept in str(caught.value)
    assert path.read_bytes() == before
    assert files_under(lake.storage.root) == {str(path.relative_to(lake.storage.root)), RAW}


def test_other_rows_are_published_uncompared_where_nobody_wants_a_comparison(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, client: PolygonClient, waits: list[float]
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    fault(simulator, without(7))
    monkeypatch.setenv("MARKETLAKE__RECONCILE__ENABLED", "false")
    own = Lake(settings.load(), now=lambda: NOW)
    assert ingest(own, SECOND_BARS, spy(DAY), a_client(own, waits)).outcome == "revised"


def test_longer_bars_that_came_empty_once_are_asked_for_again(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    fault(simulator, "empty", times=2, timespan="minute")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    assert compared(lake).not_compared == {}
    assert len(simulator.requests_for(DAY, "minute")) == 3


def test_longer_bars_without_a_share_are_no_reference(lake: Lake, client: PolygonClient) -> None:
    request = a_request(lake, DAY)
    (page,) = client.fetch(request).pages
    nothing = {"t": request.hours.regular_start_ms, "o": 1, "h": 1, "l": 1, "c": 1, "v": 0}
    body = json.dumps({"results": [nothing], "resultsCount": 1}).encode()
    found = reconcile(page.rows, {"minute": Listing((body,))}, request, Reconcile())
    assert found.not_compared["minute"] == "no share was traded in any of them"


@pytest.mark.parametrize(
    ("column", "factor", "finding"),
    [
        ("high", 1.2, "a price of the seconds leaves its minute bar's range by 20.00%, at 09:32 New York"),
        ("low", 0.5, "a price of the seconds leaves its minute bar's range by 50.00%, at 09:32 New York"),
        ("high", 1.05, None),
        ("low", 0.95, None),
    ],
)
def test_a_price_far_outside_of_its_minute_makes_the_session_suspect(
    column: str, factor: float, finding: str | None
) -> None:
    opens_s = (REQUEST.hours.regular_start_ms - REQUEST.hours.day_start_ms) // 1000
    seconds = bars_at(*((opens_s + 60 * minute, 1, 100.0) for minute in range(4)))
    odd = [1.0, 1.0, factor, 1.0]
    seconds = seconds.set_column(seconds.schema.get_field_index(column), column, pa.array(odd))
    bars = [
        {"t": REQUEST.hours.regular_start_ms + 60_000 * minute, "o": 1, "h": 1, "l": 1, "c": 1, "v": 100, "n": 1}
        for minute in range(4)
    ]
    reference = Listing((json.dumps({"results": bars}).encode(),))
    found = reconcile(seconds, {Timespan.MINUTE: reference}, REQUEST, Reconcile()).findings["minute"]
    assert found == ((f"{finding} (reconcile.price_share = 0.05)",) if finding else ())


def test_several_day_bars_of_one_day_are_no_reference(lake: Lake, client: PolygonClient) -> None:
    request = a_request(lake, DAY)
    answer = client.fetch(request)
    (page,) = answer.pages
    bars = page.rows
    found = reconcile(bars, {"day": answer.listing}, request, Reconcile())
    assert found.not_compared == {"minute": "they were not asked for", "day": "there are several of one day"}


def test_switched_off_it_costs_no_request_and_says_so(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__RECONCILE__ENABLED", "false")
    own = Lake(settings.load(), now=lambda: NOW)
    assert ingest(own, SECOND_BARS, spy(DAY), a_client(own, waits)).state == "complete"
    assert len(simulator.requests) == 1
    assert set(compared(own).not_compared.values()) == {"reconcile.enabled was false"}


def test_a_session_that_is_not_final_is_not_compared(lake: Lake, simulator: Simulator, client: PolygonClient) -> None:
    today = dt.date(2026, 11, 20)
    ingest(lake, SECOND_BARS, spy(today), client, allow_provisional=True)
    held = kept_by(lake).partitions.certificate(spy(today))
    assert held is not None
    assert held.reconciliation is not None
    assert set(held.reconciliation.not_compared.values()) == {"the session was not final yet"}
    assert len(simulator.requests) == 1


def test_a_partition_without_reconciliation_gets_it_under_the_same_revision(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, client: PolygonClient, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__RECONCILE__ENABLED", "false")
    ingest(Lake(settings.load(), now=lambda: NOW), SECOND_BARS, spy(DAY), client)
    before = certificate(lake)
    later = Lake(lake.settings, now=lambda: NOW + dt.timedelta(hours=1))
    report = ingest(later, SECOND_BARS, spy(DAY), a_client(later, waits))
    after = certificate(lake)
    assert (report.outcome, report.revision, report.content_hash) == ("renewed", 1, before.content_hash)
    assert compared(lake).minutes is not None
    assert after.published_at_ms == before.published_at_ms
    assert after.certified_at_ms == before.certified_at_ms + 3_600_000


def test_a_failed_comparison_leaves_the_earlier_one_of_the_same_rows(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    fault(simulator, without(5))
    assert ingest(lake, SECOND_BARS, spy(DAY), client).state == "suspect"
    before = files_under(lake.storage.root), certificate(lake)
    simulator.faults.set(str(DAY), [
        {"fault": without(5), "times": 0},
        {"fault": "500", "times": 0, "timespan": "minute"},
    ])  # fmt: skip
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.state) == ("unchanged", "suspect")
    assert (files_under(lake.storage.root), certificate(lake)) == before


def test_a_comparison_that_comes_out_clean_clears_the_suspicion(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    simulator.differences = EXACT
    fault(simulator, "without:1732631700000-1732631760000", timespan="second")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    simulator.faults.set(str(DAY), [
        {"fault": without(5), "times": 0},
        {"fault": without(5), "times": 0, "timespan": "minute"},
    ])  # fmt: skip
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.state, report.revision) == ("renewed", "complete", 1)


def test_a_rebuild_from_raw_pages_compares_as_the_fetch_did(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    simulator.faults.set(str(DAY), [
        {"fault": without(5), "times": 0},
        {"fault": "not_entitled", "times": 0, "timespan": "day"},
    ])  # fmt: skip
    ingest(lake, SECOND_BARS, spy(DAY), client)
    before = certificate(lake)
    (lake.storage.root / kept_by(lake).partitions.path(spy(DAY))).unlink()
    asked = len(simulator.requests)
    assert rebuild(lake, SECOND_BARS, spy(DAY)).state == "suspect"
    assert certificate(lake).reconciliation == before.reconciliation
    assert len(simulator.requests) == asked


def test_the_key_is_not_in_what_is_kept_of_longer_bars(lake: Lake, simulator: Simulator, client: PolygonClient) -> None:
    fault(simulator, "echoed_key", timespan="minute")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    stored = kept_by(lake).raw_pages.pages_of(spy(DAY), 1)[-1]
    (body,) = stored.fetch.of("minute").bodies
    assert b"****abcd" in body
    assert KEY.encode() not in body


def test_longer_bars_that_are_not_those_that_were_kept_are_refused(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    path = archive_of(lake, DAY)
    with tarfile.open(path) as archive:
        members = {info.name: archive.extractfile(info) for info in archive.getmembers()}
        contents = {name: member.read() for name, member in members.items() if member is not None}
    contents["minute-0001.json.zst"] = contents["day-0001.json.zst"]
    manifest = json.loads(contents["manifest.json"])
    manifest["listings"]["minute"]["page_bytes"] = manifest["listings"]["day"]["page_bytes"]
    contents["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(RawPagesUnusable, match="do not match their manifest"):
        rebuild(lake, SECOND_BARS, spy(DAY))


def test_a_certificate_from_before_reconciliation_is_read(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    old = json.loads(certificate(lake).encode())
    for name in ("reconciliation", "changes", "certified_at_ms"):
        del old[name]
    found = Certificate.decode(json.dumps(old | {"reconciled_against": []}).encode())
    assert (found.reconciliation, found.changes, found.state) == (None, None, State.COMPLETE)


REQUEST = BarRequest("SPY", SessionCalendar(DAY).hours(DAY), adjusted=False)


def bars_at(*rows: tuple[int, int | None, float]) -> pa.Table:
    """Bars from (second of the session's New York day, trades, volume), all of one price."""
    day_ms = REQUEST.hours.day_start_ms
    results = [
        {"t": day_ms + second * 1000, "o": 1, "h": 1, "l": 1, "c": 1, "v": volume}
        | ({} if trades is None else {"n": trades})
        for second, trades, volume in rows
    ]
    return decode(json.dumps({"results": results}).encode()).rows


@pytest.mark.parametrize(
    ("seconds", "minutes", "classes", "short_minutes"),
    [
        ([(0, 2, 10), (59, 1, 5)], [(0, 3, 15)], (1, 1439, 0, 0, 0, 0), ()),
        ([(0, 2, 10)], [(0, 3, 15)], (0, 1439, 1, 0, 0, 0), ((0, 1),)),
        ([(0, 4, 10)], [(0, 3, 15)], (0, 1439, 0, 0, 1, 0), ()),
        ([(0, 1, 1)], [(0, 1, 1), (60, 7, 9)], (1, 1438, 0, 1, 0, 0), ()),
        ([(0, 1, 1), (61, 1, 1)], [(0, 1, 1)], (1, 1438, 0, 0, 1, 0), ()),
        ([(0, None, 10)], [(0, 3, 10)], (1, 1439, 0, 0, 0, 1), ()),  # volume decides
        ([(0, None, 9.5)], [(0, 3, 10)], (0, 1439, 1, 0, 0, 1), ((0, 0),)),
        ([(0, 3, 9.5)], [(0, None, 10)], (0, 1439, 1, 0, 0, 1), ((0, 0),)),  # not 0 - 3 trades
        ([(0, 3, 11)], [(0, None, 10)], (0, 1439, 0, 0, 1, 1), ()),
    ],
)
def test_every_minute_has_one_class(
    seconds: list[tuple[int, int | None, float]],
    minutes: list[tuple[int, int | None, float]],
    classes: tuple[int, ...],
    short_minutes: tuple[tuple[int, int], ...],
) -> None:
    found = against_minutes(bars_at(*seconds), bars_at(*minutes), REQUEST.hours)
    assert (found.agreeing, found.quiet, found.short, found.missing, found.extra, found.uncounted) == classes
    day_ms = REQUEST.hours.day_start_ms
    assert found.short_minutes == tuple(ShortMinute(day_ms + at * 1000, by) for at, by in short_minutes)


def test_an_extreme_of_another_price_is_counted(lake: Lake) -> None:
    seconds, minutes = bars_at((0, 1, 1), (60, 1, 1)), bars_at((0, 1, 1), (60, 1, 1))
    higher = minutes.set_column(minutes.schema.get_field_index("high"), "high", pa.array([1.0, 1.5]))
    found = against_minutes(seconds, higher, REQUEST.hours)
    assert (found.agreeing, found.high_differs, found.low_differs, found.volume_differs) == (2, 1, 0, 0)


def test_no_minute_makes_up_for_another() -> None:
    found = against_minutes(bars_at((0, 9, 90), (60, 1, 10)), bars_at((0, 5, 50), (60, 5, 50)), REQUEST.hours)
    assert (found.trades_share, found.volume_share, found.surplus_share) == (0.6, 0.6, 0.4)


SECONDS = st.dictionaries(
    st.integers(0, 86_399), st.tuples(st.none() | st.integers(0, 50), st.integers(0, 900)), min_size=1, max_size=60
)
MINUTES = st.dictionaries(
    st.integers(0, 1_439), st.tuples(st.none() | st.integers(0, 50), st.integers(0, 900)), min_size=1, max_size=60
)


@given(SECONDS, MINUTES)
def test_classes_cover_the_day_and_shares_stay_within_bounds(
    seconds: dict[int, tuple[int | None, int]], minutes: dict[int, tuple[int | None, int]]
) -> None:
    ours = bars_at(*((at, *seconds[at]) for at in sorted(seconds)))
    theirs = bars_at(*((at * 60, *minutes[at]) for at in sorted(minutes)))
    found = against_minutes(ours, theirs, REQUEST.hours)
    assert found.agreeing + found.quiet + found.short + found.missing + found.extra == 1440
    assert len(found.missing_starts_ms) == found.missing == len(set(minutes) - {at // 60 for at in seconds})
    assert all(share is None or 0 <= share <= 1 for share in (found.trades_share, found.volume_share))
    assert found.surplus_share >= 0


@given(st.sets(st.sampled_from(["minute", "day"])), st.sets(st.sampled_from(["minute", "day"])))
def test_no_part_is_both_compared_and_not(now: set[str], before: set[str]) -> None:
    minute = against_minutes(bars_at((0, 1, 1)), bars_at((0, 1, 1)), REQUEST.hours)
    day = reconcile(bars_at((0, 1, 1)), {Timespan.DAY: _one_day_bar()}, REQUEST, Reconcile()).day

    def having(parts: set[str]) -> Reconciliation:
        return Reconciliation(
            minute if "minute" in parts else None,
            day if "day" in parts else None,
            {part: "the request failed" for part in ("minute", "day") if part not in parts},
            {part: () for part in parts},
        )

    both = having(now).completed_by(having(before))
    assert set(both.findings) == now | before
    assert set(both.not_compared) == {"minute", "day"} - (now | before)
    assert (both.minutes is not None, both.day is not None) == ("minute" in now | before, "day" in now | before)


def _one_day_bar() -> Listing:
    body = {"results": [{"t": REQUEST.hours.day_start_ms, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1, "n": 1}]}
    return Listing((json.dumps(body).encode(),))


def test_a_request_names_its_timespan_unless_it_is_seconds() -> None:
    assert [str(replace(REQUEST, timespan=span)) for span in Timespan] == [
        "SPY 2024-11-26",
        "SPY 2024-11-26 minute bars",
        "SPY 2024-11-26 day bars",
    ]
