"""The bucket of flat files: what is in a file, when it is there, who may fetch it, and how it goes wrong."""

from __future__ import annotations

import datetime as dt
import gzip
import re
import zlib
from collections.abc import Iterator

import pyarrow.fs as pa_fs
import pytest
import requests

from conftest import KEY
from polygon_simulator.plan import Plan
from polygon_simulator.server import S3_ACCESS_KEY, Simulator
from smooth_days import SmoothDays

DAY = dt.date(2024, 11, 27)
FILE = "us_options_opra/minute_aggs_v1/2024/11/2024-11-27.csv.gz"
DAYS = "us_options_opra/day_aggs_v1/2024/11/2024-11-27.csv.gz"
TODAY = dt.date(2026, 11, 20)
NOW_S = dt.datetime(2026, 11, 20, 17, tzinfo=dt.UTC).timestamp()


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=lambda: NOW_S) as simulator:
        yield simulator


@pytest.fixture
def few(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.faults.clear()
    running.plan = Plan()
    running.now_s = lambda: NOW_S


def ask(
    simulator: Simulator, path: str, method: str = "GET", key: str = S3_ACCESS_KEY, **headers: str
) -> requests.Response:
    signed = f"AWS4-HMAC-SHA256 Credential={key}/20261120/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    given = {"Authorization": signed} if key else {}
    return requests.request(method, f"{simulator.url}/flatfiles/{path}", headers=given | headers, timeout=10)


def lines(simulator: Simulator, key: str = FILE) -> list[str]:
    return gzip.decompress(ask(simulator, key).content).decode().splitlines()


def test_a_minute_file_has_every_bar_of_every_contract_and_its_neighbours(few: Simulator) -> None:
    header, *rows = lines(few)
    assert header == "ticker,volume,open,close,high,low,window_start,transactions"
    tickers = [row.partition(",")[0] for row in rows]
    assert tickers == sorted(tickers)
    assert {re.split(r"\d{6}[CP]", ticker)[0] for ticker in tickers} == {"O:SPY", "O:SPY1", "O:SPYG"}
    exact = [row for row in rows if re.match(r"O:SPY\d{6}[CP]\d{8},", row)]
    served = [
        f"{one['ticker']},{bar['v']},{bar['o']:.10g},{bar['c']:.10g},{bar['h']:.10g},{bar['l']:.10g},"
        f"{bar['t']}000000,{bar['n']}"
        for one in few.options.chain.records("SPY", DAY)
        for bar in few.options.bars(one["ticker"], DAY, "minute")
    ]
    assert exact == served
    assert "O:SPY241129C00605000,13,5.43,5.41,5.44,5.4,1732717800000000000,3" in exact


def test_a_day_file_has_one_row_a_contract_that_traded(few: Simulator) -> None:
    rows = [row for row in lines(few, DAYS) if row.startswith("O:SPY2")]
    assert len(rows) == 102
    assert "O:SPY241129C00605000,8139,5.43,4.45,5.55,3.64,1732683600000000000,1169" in rows


def test_a_head_a_whole_and_ranges_agree(few: Simulator) -> None:
    whole, head = ask(few, FILE), ask(few, FILE, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("ETag", "Content-Length", "Last-Modified", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]
    assert head.headers["Last-Modified"] == "Thu, 28 Nov 2024 16:00:00 GMT"
    assert "Content-Encoding" not in whole.headers
    size = len(whole.content)
    for asked, first, last in (("0-99", 0, 99), ("100-", 100, size - 1), ("-10", size - 10, size - 1)):
        part = ask(few, FILE, Range=f"bytes={asked}")
        assert (part.status_code, part.content) == (206, whole.content[first : last + 1])
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert ask(few, FILE, Range=f"bytes={size}-").status_code == 416
    assert ask(few, FILE, **{"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert ask(few, FILE, **{"If-Match": '"another"'}).status_code == 412


@pytest.mark.parametrize(
    ("key", "file", "code", "word"),
    [
        ("", FILE, 403, "AccessDenied"),
        ("somebody", FILE, 403, "InvalidAccessKeyId"),
        (S3_ACCESS_KEY, FILE.replace("27.csv", "28.csv"), 404, "NoSuchKey"),  # Thanksgiving
        (S3_ACCESS_KEY, FILE.replace("2024/11", "2024/10"), 404, "NoSuchKey"),
        (S3_ACCESS_KEY, "us_options_opra/trades_v1/2024/11/2024-11-27.csv.gz", 404, "NoSuchKey"),
        (S3_ACCESS_KEY, "us_options_opra/minute_aggs_v1/2026/11/2026-11-20.csv.gz", 404, "NoSuchKey"),
        (S3_ACCESS_KEY, "us_options_opra/minute_aggs_v1/2026/11/2026-11-19.csv.gz", 200, ""),
    ],
)
def test_who_may_ask_and_what_there_is(few: Simulator, key: str, file: str, code: int, word: str) -> None:
    answer = ask(few, file, key=key)
    assert answer.status_code == code
    assert not word or f"<Code>{word}</Code>" in answer.text
    assert ask(few, file, "HEAD", key=key).status_code == code


def test_a_file_is_published_at_eleven_of_the_following_day() -> None:
    clock_s = [dt.datetime(2024, 11, 28, 15, 59, 59, tzinfo=dt.UTC).timestamp()]
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=lambda: clock_s[0]) as simulator:
        assert ask(simulator, FILE).status_code == 404
        clock_s[0] += 1
        assert ask(simulator, FILE).status_code == 200


@pytest.mark.parametrize("plan", ["none", "basic", "starter"])
def test_what_a_plan_lacks_is_listed_and_has_a_head_and_is_refused_with_403(few: Simulator, plan: str) -> None:
    few.plan = Plan().with_options(plan, TODAY)  # starter: two years, and the file is older by a week
    few.plan.options_from = max(few.plan.options_from, dt.date(2024, 11, 28))
    assert ask(few, FILE, "HEAD").status_code == 200
    assert f"<Key>{FILE}</Key>" in ask(few, f"?list-type=2&prefix={FILE}").text
    refused = ask(few, FILE, Range="bytes=0-0")
    assert (refused.status_code, "<Code>AccessDenied</Code>" in refused.text) == (403, True)


def test_a_republished_file_has_another_etag_and_a_changed_row(few: Simulator) -> None:
    before, rows = ask(few, FILE, "HEAD"), lines(few)
    few.faults.set(str(DAY), [{"fault": "republished", "times": 0}])
    after = ask(few, FILE, "HEAD")
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.headers["Last-Modified"] == "Fri, 29 Nov 2024 16:00:00 GMT"
    assert after.headers["ETag"].strip('"') in ask(few, f"?list-type=2&prefix={FILE}").text
    assert ask(few, FILE, **{"If-Match": before.headers["ETag"], "Range": "bytes=0-9"}).status_code == 412
    assert sum(old != new for old, new in zip(rows, lines(few), strict=True)) == 1


def test_a_truncated_file_is_a_gzip_stream_without_its_end(few: Simulator) -> None:
    few.faults.set(str(DAY), [{"fault": "truncated_file"}])
    broken = ask(few, FILE)
    assert int(broken.headers["Content-Length"]) == len(broken.content)
    with pytest.raises((EOFError, zlib.error)):
        gzip.decompress(broken.content)
    assert len(lines(few)) > 10_000


@pytest.mark.parametrize("fault", ["no_gzip", "empty_file", "flipped_bit"])
def test_a_file_that_cannot_be_unpacked(few: Simulator, fault: str) -> None:
    few.faults.set(str(DAY), [{"fault": fault}])
    with pytest.raises(zlib.error):
        zlib.decompress(ask(few, FILE).content, 31)


@pytest.mark.parametrize(
    ("fault", "row", "before", "after"),
    [
        ("other_columns", 0, "ticker,volume,open,close", "ticker,open,volume,close"),
        ("odd_ticker", 4055, "O:SPY241127C00590000,", "O:SPY2X41127C00590000,"),
        ("negative_volume", 4055, "O:SPY241127C00590000,6,", "O:SPY241127C00590000,-6,"),
        ("republished", 4055, "O:SPY241127C00590000,6,", "O:SPY241127C00590000,7,"),
    ],
)
def test_a_file_with_a_line_that_differs(few: Simulator, fault: str, row: int, before: str, after: str) -> None:
    rows = lines(few)
    few.faults.set(str(DAY), [{"fault": fault}])
    ((number, old, new),) = [
        (number, *both) for number, both in enumerate(zip(rows, lines(few), strict=True)) if both[0] != both[1]
    ]
    assert (number, old[: len(before)], new[: len(after)]) == (row, before, after)


def test_two_members_are_the_same_lines(few: Simulator) -> None:
    rows, before = lines(few), ask(few, FILE, "HEAD").headers["ETag"]
    few.faults.set(str(DAY), [{"fault": "two_members", "times": 0}])
    assert lines(few) == rows
    assert ask(few, FILE, "HEAD").headers["ETag"] != before


def test_a_broken_answer_says_what_it_is_a_part_of(few: Simulator) -> None:
    few.faults.set(str(DAY), [{"fault": "reset", "endpoint": "flat_file", "page": 3}])
    assert ask(few, FILE, Range="bytes=0-0").status_code == 206
    assert ask(few, FILE).status_code == 200
    headers = {"Authorization": "Credential=simulated-access-key/", "Range": "bytes=1000-"}
    with requests.get(f"{few.url}/flatfiles/{FILE}", headers=headers, timeout=10, stream=True) as part:
        assert part.status_code == 206
        assert part.headers["Content-Range"].startswith("bytes 1000-")
        with pytest.raises(requests.RequestException):
            part.content  # noqa: B018
    assert [one["page"] for one in few.requests_for(DAY, "flat_file")][-3:] == [1, 2, 3]


@pytest.mark.parametrize(
    ("fault", "code", "word"),
    [
        ("bad_signature", 403, "SignatureDoesNotMatch"),
        ("clock_skew", 403, "RequestTimeTooSkewed"),
        ("no_such_bucket", 404, "NoSuchBucket"),
        ("wrong_region", 400, "AuthorizationHeaderMalformed"),
        ("request_timeout", 400, "RequestTimeout"),
        ("429", 503, "SlowDown"),
        ("500", 500, "InternalError"),
        ("503", 503, "ServiceUnavailable"),
        ("not_entitled", 403, "AccessDenied"),
        ("not_found", 404, "NoSuchKey"),
    ],
)
def test_faults_of_http_have_s3s_words(few: Simulator, fault: str, code: int, word: str) -> None:
    few.faults.set(str(DAY), [{"fault": fault, "endpoint": "flat_file"}])
    answer = ask(few, FILE)
    assert (answer.status_code, f"<Code>{word}</Code>" in answer.text) == (code, True)
    assert ask(few, FILE).status_code == 200


@pytest.mark.parametrize("fault", ["reset", "short"])
def test_a_download_that_breaks_off(few: Simulator, fault: str) -> None:
    few.faults.set(str(DAY), [{"fault": fault, "endpoint": "flat_file"}])
    with pytest.raises(requests.RequestException):
        ask(few, FILE)
    assert ask(few, FILE).status_code == 200


def test_a_listing_is_paged(few: Simulator) -> None:
    prefix, token, found = "us_options_opra/day_aggs_v1/2024/11/2024-11-2", "", []
    for _ in range(9):
        text = ask(few, f"?list-type=2&prefix={prefix}&max-keys=3{token}").text
        found += re.findall(r"<Key>([^<]+)</Key><LastModified>[^<]+</LastModified><ETag>[^<]+</ETag><Size>\d+<", text)
        following = re.search("<NextContinuationToken>([^<]+)<", text)
        if following is None:
            break
        token = f"&continuation-token={following[1]}"
    days = [f"2024-11-{day}.csv.gz" for day in (20, 21, 22, 25, 26, 27, 29)]
    assert [key[-17:] for key in found] == days


def test_a_real_s3_client_reads_a_file(few: Simulator) -> None:
    few.now_s = dt.datetime(2024, 12, 4, 17, tzinfo=dt.UTC).timestamp  # when December has two files
    s3 = pa_fs.S3FileSystem(
        access_key=S3_ACCESS_KEY, secret_key="any", region="us-east-1", scheme="http",
        endpoint_override=few.url.removeprefix("http://"), force_virtual_addressing=False,
        request_timeout=60, connect_timeout=60,
    )  # fmt: skip
    content = ask(few, FILE).content
    info = s3.get_file_info(f"flatfiles/{FILE}")
    assert (info.type, info.size) == (pa_fs.FileType.File, len(content))
    with s3.open_input_stream(f"flatfiles/{FILE}", compression=None) as stream:
        assert stream.read() == content
    found = s3.get_file_info(pa_fs.FileSelector("flatfiles/us_options_opra/day_aggs_v1/2024/12"))
    assert [one.path[-17:] for one in found] == ["2024-12-02.csv.gz", "2024-12-03.csv.gz"]
