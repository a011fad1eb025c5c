"""What the client makes of an answer: waits, refusals, listings, the key, and whose clock counts."""

from __future__ import annotations

import datetime as dt
import logging
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests

from conftest import KEY, NOW, a_client, files_under, times_of
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import (
    BadRequest,
    KeyRefused,
    MalformedPage,
    NotEntitled,
    NotFinal,
    RateLimited,
    ServerTrouble,
)
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon import aggregates
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.listing import next_page_url
from marketlake.polygon.refusals import Answer, error_for
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from seconds import DAY, a_request, archive_of, fault, kept_by, spy

FINAL_FROM = dt.datetime(2024, 11, 27, 16, 0, tzinfo=dt.UTC)
"""11:00 in New York on the day after DAY."""


def seen_at(lake: Lake, simulator: Simulator, here: dt.datetime, there: dt.datetime) -> tuple[Lake, PolygonClient]:
    """A lake and a client of a machine whose clock shows ``here`` while the API's shows ``there``."""
    simulator.now_s = there.timestamp
    of_machine = Lake(lake.settings, now=lambda: here)
    client = a_client(of_machine, [])
    client.transport.now_s = here.timestamp
    return of_machine, client


def test_the_vendors_own_wait_is_kept_up_to_the_cap(lake: Lake, simulator: Simulator, waits: list[float]) -> None:
    fault(simulator, "429:7", "429:9999", "429:Fri, 20 Nov 2026 17:00:11 GMT")
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    assert waits == [7, 60, 11]


def test_a_wrong_key_fails_at_once_with_the_vendors_words(lake: Lake, simulator: Simulator, waits: list[float]) -> None:
    wrong = a_client(lake, waits, key="another-key-0000-wxyz")
    with pytest.raises(
        KeyRefused, match=r"HTTP 401 .*Unknown API Key. The key \*\*\*\*wxyz from a test is not accepted"
    ):
        ingest(lake, SECOND_BARS, spy(DAY), wrong)
    assert len(simulator.requests) == 1


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(seconds=False), "You are not entitled to this data"),
        (Plan(first_date=dt.date(2024, 11, 27)), "Your plan doesn't include this data timeframe"),
    ],
)
def test_a_plan_without_the_data_fails_at_once(
    lake: Lake, simulator: Simulator, client: PolygonClient, plan: Plan, words: str
) -> None:
    simulator.plan = plan
    with pytest.raises(NotEntitled, match=f"{words}.*Stocks Starter"):
        ingest(lake, SECOND_BARS, spy(DAY), client)
    assert len(simulator.requests) == 1


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("not_entitled_in_200", NotEntitled, "Your plan doesn't include"),
        ("bad_request", BadRequest, "Could not parse the time parameter"),
        ("unknown_status", MalformedPage, "MAYBE"),
    ],
)
def test_an_answer_that_cannot_get_better_is_asked_for_once(
    lake: Lake, simulator: Simulator, client: PolygonClient, name: str, error: type[Exception], words: str
) -> None:
    fault(simulator, name, times=0)
    with pytest.raises(error, match=words):
        ingest(lake, SECOND_BARS, spy(DAY), client)
    assert len(simulator.requests) == 1


def test_a_listing_that_goes_on_and_on_is_given_up(
    monkeypatch: pytest.MonkeyPatch, simulator: Simulator, lake: Lake, waits: list[float]
) -> None:
    monkeypatch.setattr("marketlake.polygon.listing._MOST_PAGES", 3)
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "100")
    own = Lake(settings.load(), now=lambda: NOW)
    with pytest.raises(MalformedPage, match=r"goes on after 3 pages.* a higher api.page_limit than 100"):
        ingest(own, SECOND_BARS, spy(DAY), a_client(own, waits))
    assert len(simulator.requests) == 3


def test_a_page_nested_without_end_is_refused() -> None:
    with pytest.raises(MalformedPage, match="nested too deeply"):
        aggregates.decode(b'{"unknown": ' + b"[" * 200_000)


@pytest.mark.parametrize("ahead", [dt.timedelta(minutes=2), dt.timedelta(hours=3), dt.timedelta(days=2)])
def test_a_clock_that_is_ahead_makes_no_session_final(lake: Lake, simulator: Simulator, ahead: dt.timedelta) -> None:
    there = FINAL_FROM - dt.timedelta(minutes=1)
    of_machine, client = seen_at(lake, simulator, there + ahead, there)
    with pytest.raises(NotFinal) as caught:
        ingest(of_machine, SECOND_BARS, spy(DAY), client)
    assert f"clock is {ahead.total_seconds() / 3600:.1f} h ahead of {client.host}, by whose clock 2024-11-26 is" in str(
        caught.value
    )
    assert str(caught.value).endswith("Set the clock, and clear the task.")
    assert files_under(lake.storage.root) == set()
    report = ingest(of_machine, SECOND_BARS, spy(DAY), client, allow_provisional=True)
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert (report.state, certificate.fetched_at_ms) == ("provisional", there.timestamp() * 1000)


@pytest.mark.parametrize(
    ("ahead", "fetched_ahead"),
    [
        (dt.timedelta(seconds=59), dt.timedelta(seconds=59)),
        (dt.timedelta(0), dt.timedelta(0)),
        (-dt.timedelta(minutes=5), -dt.timedelta(minutes=5)),
        (dt.timedelta(hours=3), dt.timedelta(0)),
    ],
)
def test_a_session_that_is_final_by_both_clocks_is_complete_with_the_earlier_time(
    lake: Lake, simulator: Simulator, ahead: dt.timedelta, fetched_ahead: dt.timedelta
) -> None:
    there = FINAL_FROM + dt.timedelta(hours=1)
    of_machine, client = seen_at(lake, simulator, there + ahead, there)
    assert ingest(of_machine, SECOND_BARS, spy(DAY), client).state == "complete"
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert certificate.fetched_at_ms == (there + fetched_ahead).timestamp() * 1000


@pytest.mark.parametrize("date", [None, "yesterday", ""])
def test_an_answer_without_a_date_leaves_the_time_to_this_machine(
    lake: Lake, client: PolygonClient, monkeypatch: pytest.MonkeyPatch, date: str | None
) -> None:
    send = requests.Session.send

    def without_date(self: requests.Session, *given: Any, **more: Any) -> requests.Response:
        response = send(self, *given, **more)
        del response.headers["Date"]
        if date is not None:
            response.headers["Date"] = date
        return response

    monkeypatch.setattr(requests.Session, "send", without_date)
    assert ingest(lake, SECOND_BARS, spy(DAY), client).state == "complete"
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert certificate.fetched_at_ms == NOW.timestamp() * 1000


@pytest.mark.parametrize(
    ("request_id", "kept"), [("null", ""), ("17", "17"), ("1.5", "1.5"), ('["a"]', '["a"]'), ('"abc"', "abc")]
)
def test_a_request_id_of_any_kind_refuses_no_page(request_id: str, kept: str) -> None:
    page = aggregates.decode(f'{{"status": "OK", "request_id": {request_id}, "message": 5, "results": []}}'.encode())
    assert (page.request_id, page.message) == (kept, "5")


@pytest.mark.parametrize(
    ("code", "status", "said", "error"),
    [
        (408, "", "", ServerTrouble),
        (499, "", "", ServerTrouble),
        (403, "", "", BadRequest),
        (403, "NOT_AUTHORIZED", "no", NotEntitled),
        (401, "", "", BadRequest),
        (401, "ERROR", "Unknown API Key", KeyRefused),
        (404, "", "", BadRequest),
        (404, "NOT_FOUND", "Data not found.", BadRequest),
        (200, "ERROR", "You've exceeded the maximum requests per minute", RateLimited),
    ],
)
def test_an_unsuccessful_answer_has_its_meaning(code: int, status: str, said: str, error: type[Exception]) -> None:
    assert type(error_for(Answer(code, status, said), "about", ApiKey(KEY, "a test"), 0)) is error


def test_a_next_url_that_is_no_address_is_refused(lake: Lake, client: PolygonClient) -> None:
    with pytest.raises(MalformedPage, match="no address"):
        next_page_url(client.transport, aggregates, "https://[bad/v2", a_request(lake, DAY))


def test_the_key_is_nowhere_but_in_the_header(
    lake: Lake, simulator: Simulator, client: PolygonClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fault(simulator, "500", "echoed_key")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    with tarfile.open(archive_of(lake, DAY)) as archive:
        packed = archive.extractfile("second-0001.json.zst")
        assert packed is not None
        stream = pa.CompressedInputStream(pa.BufferReader(packed.read()), "zstd")
        page = stream.read()
    assert b'"asked_with":"****abcd"' in page
    assert KEY.encode() not in page
    assert {request["authorization"] for request in simulator.requests} == {f"Bearer {KEY}"}
    assert all(KEY not in request["path"] for request in simulator.requests)
    assert KEY not in caplog.text
    assert KEY not in repr(client.transport.__dict__)
    for name in times_of(lake.storage.root):
        assert KEY.encode() not in (lake.storage.root / name).read_bytes()


def test_a_netrc_does_not_replace_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password mallory\n")
    monkeypatch.setenv("NETRC", str(netrc))
    ingest(lake, SECOND_BARS, spy(DAY), client)
    assert simulator.requests[0]["authorization"] == f"Bearer {KEY}"


def test_a_vendors_next_url_is_followed_on_the_configured_host(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    path = "/v2/aggs/ticker/SPY/range/1/second/1/2?cursor=abc"
    found = next_page_url(
        client.transport, aggregates, f"https://api.polygon.io{path}&apiKey=leak", a_request(lake, DAY)
    )
    assert found == f"{simulator.url}{path}"
