"""The vendor's flat files: what an answer of S3 means, and a download that goes on where it broke."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from conftest import KEY, NOW
from flat_file_lake import KEYS, SECRET, a_bucket
from marketlake.errors import (
    BadRequest,
    KeyRefused,
    MalformedPage,
    NotEntitled,
    NotPublished,
    RateLimited,
    Republished,
    ServerTrouble,
    TransportTrouble,
)
from marketlake.polygon.flat_file_bucket import Download, FlatFileBucket
from marketlake.polygon.flat_file_sieve import Sieve
from marketlake.polygon.flat_files import HEADER, key_of
from marketlake.polygon.s3_bucket import ObjectFacts, Part, S3Bucket
from marketlake.polygon.s3_keys import S3Keys
from marketlake.polygon.s3_refusals import Refused, error_for
from marketlake.settings.option_sections import FlatFiles
from marketlake.settings.sections import Api
from polygon_simulator.plan import Plan
from polygon_simulator.s3 import PROBE, REST, WHOLE
from polygon_simulator.server import S3_ACCESS_KEY, Simulator
from smooth_days import SmoothDays

WEDNESDAY, THANKSGIVING, TODAY = dt.date(2024, 11, 27), dt.date(2024, 11, 28), dt.date(2026, 11, 20)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    running.requests.clear()
    yield running
    running.faults.clear()
    running.plan = Plan()


# --- what an answer means ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name", "error", "words"),
    [
        (403, "InvalidAccessKeyId", KeyRefused, "The S3 keys ****-key from a test are not accepted"),
        (403, "SignatureDoesNotMatch", KeyRefused, "others than the API key"),
        (400, "ExpiredToken", KeyRefused, "Compare both with the vendor's dashboard"),
        (401, "401", KeyRefused, "are not accepted"),
        (403, "AccessDenied", NotEntitled, "need Options Starter (2 years), Developer (4 years) or Advanced"),
        (403, "403", NotEntitled, "ask whoever runs your proxy or firewall"),
        (404, "NoSuchKey", NotPublished, "at about 11:00 New York on the following day; it is tried again later"),
        (404, "404", NotPublished, "set options.source = rest"),
        (404, "NoSuchBucket", BadRequest, "check options.flat_files.bucket and endpoint_url"),
        (403, "RequestTimeTooSkewed", BadRequest, "This machine's clock is wrong: set it"),
        (301, "PermanentRedirect", BadRequest, "A redirect is not followed"),
        (307, "307", BadRequest, "A redirect is not followed"),
        (400, "AuthorizationHeaderMalformed", BadRequest, "nor is another region tried"),
        (400, "InvalidRequest", BadRequest, "The request itself is wrong; check options.flat_files"),
        (412, "PreconditionFailed", Republished, "it is fetched anew"),
        (416, "InvalidRange", MalformedPage, "The file is empty."),
        (503, "SlowDown", RateLimited, "wants fewer requests"),
        (429, "429", RateLimited, "wants fewer requests"),
        (400, "RequestTimeout", ServerTrouble, "has trouble; it is tried again"),
        (500, "InternalError", ServerTrouble, "has trouble"),
        (503, "ServiceUnavailable", ServerTrouble, "has trouble"),
        (599, "599", ServerTrouble, "has trouble"),
    ],
)
def test_an_unsuccessful_answer_has_its_meaning_and_says_what_would_help(
    code: int, name: str, error: type[Exception], words: str
) -> None:
    met = error_for(Refused(code, name, f"of {S3_ACCESS_KEY}\n and {SECRET}."), "about", KEYS, 0)
    assert type(met) is error
    assert str(met).startswith(f"about: {name}: of ****-key and ****wxyz. ")
    assert words in str(met)


def test_s3_may_say_how_long_to_wait() -> None:
    met = error_for(Refused(503, "SlowDown", "", "7"), "about", KEYS, 0)
    assert isinstance(met, RateLimited)
    assert met.retry_after_s == 7
    assert "SlowDown: no message." in str(met)


@pytest.mark.parametrize(
    ("session", "plan", "key", "error"),
    [
        (WEDNESDAY, Plan(), "an-access-key-of-nobody", KeyRefused),
        (THANKSGIVING, Plan(), S3_ACCESS_KEY, NotPublished),
        (TODAY, Plan(), S3_ACCESS_KEY, NotPublished),
        (WEDNESDAY, Plan().with_options("none", TODAY), S3_ACCESS_KEY, NotEntitled),
        (WEDNESDAY, Plan().with_options("basic", TODAY), S3_ACCESS_KEY, NotEntitled),
        (WEDNESDAY, Plan(options_from=dt.date(2025, 1, 1)), S3_ACCESS_KEY, NotEntitled),
    ],
)
def test_whoever_may_not_have_a_file_is_told_by_one_call(
    simulator: Simulator, session: dt.date, plan: Plan, key: str, error: type[Exception]
) -> None:
    simulator.plan = plan
    waits: list[float] = []
    bucket = a_bucket(simulator.url, waits=waits, keys=S3Keys(key, SECRET, "a test"))
    for ask in (bucket.announced, lambda day: bucket.fetch(day, "SPY")):
        simulator.requests.clear()
        with pytest.raises(error) as caught:
            ask(session)
        assert type(caught.value) is error
        assert f"s3://flatfiles/{key_of(session)} at {simulator.url} (request id " in str(caught.value)
        assert "request id none" not in str(caught.value)
        assert [one["page"] for one in simulator.requests] == [PROBE]
    assert waits == []


def test_a_file_is_announced_without_being_fetched(simulator: Simulator) -> None:
    bucket = a_bucket(simulator.url)
    announced = bucket.announced(WEDNESDAY)
    assert announced == ObjectFacts(announced.etag, 1_732_809_600_000, announced.size_bytes)
    assert len(announced.etag) == 32
    assert announced.size_bytes > 100_000
    assert [one["page"] for one in simulator.requests] == [PROBE]
    assert (bucket.host, str(bucket)) == (
        simulator.url.removeprefix("http://"),
        f"s3://flatfiles at {simulator.url} with S3 keys ****-key from a test",
    )


# --- a download -------------------------------------------------------------------------------------------------------


def test_a_download_goes_on_where_it_broke_and_gives_the_same(simulator: Simulator) -> None:
    whole = a_bucket(simulator.url).fetch(WEDNESDAY, "SPY")
    assert whole[0].rows > whole[1].count(b"\n") > 10_000
    simulator.requests.clear()
    simulator.faults.set(str(WEDNESDAY), [
        {"fault": "reset", "endpoint": "flat_file", "page": WHOLE},
        {"fault": "short", "endpoint": "flat_file", "page": REST},
        {"fault": "500", "endpoint": "flat_file", "page": REST},
    ])  # fmt: skip
    waits: list[float] = []
    assert a_bucket(simulator.url, waits=waits).fetch(WEDNESDAY, "SPY") == whole
    assert [one["page"] for one in simulator.requests] == [PROBE, WHOLE, REST, REST, REST]
    assert len(waits) == 3


def test_the_attempts_of_a_download_are_bounded_however_far_each_gets(simulator: Simulator) -> None:
    simulator.faults.set(str(WEDNESDAY), [
        {"fault": "reset", "endpoint": "flat_file", "page": WHOLE, "times": 0},
        {"fault": "reset", "endpoint": "flat_file", "page": REST, "times": 0},
    ])  # fmt: skip
    waits: list[float] = []
    with pytest.raises(TransportTrouble, match="broke off"):
        a_bucket(simulator.url, Api(attempts=3), waits=waits).fetch(WEDNESDAY, "SPY")
    assert [one["page"] for one in simulator.requests] == [PROBE, WHOLE, REST, REST]
    assert len(waits) == 2


def test_a_body_is_bounded_as_a_whole_by_the_clock(simulator: Simulator) -> None:
    passing = iter(range(0, 10_000, 200))
    api = Api(attempts=1, answer_timeout_s=300)
    files = FlatFiles(endpoint_url=simulator.url)
    bucket = FlatFileBucket(S3Bucket(KEYS, files, api, monotonic_s=lambda: float(next(passing))), api)
    with pytest.raises(TransportTrouble, match="the body did not end within 300 s"):
        bucket.fetch(WEDNESDAY, "SPY")


CONTENT = gzip.compress(HEADER + b"\nO:SPY241129C00605000,1,2,2,2,2,1732717800000000000,1\n")
FACTS = ObjectFacts("abc", 0, len(CONTENT))


@dataclass
class Scripted:
    """A bucket whose answers are these: the facts, the first byte, and pieces or errors, one after the other."""

    answers: list[tuple[ObjectFacts, int, Sequence[bytes | Exception]]]
    asked: list[tuple[int, str]] = field(default_factory=list)

    def where(self, key: str) -> str:
        return f"s3://flatfiles/{key}"

    @contextmanager
    def part(self, key: str, about: str, *, first: int = 0, last: int | None = None, etag: str = "") -> Iterator[Part]:
        self.asked.append((first, etag))
        facts, begins, pieces = self.answers.pop(0)
        yield Part(facts, begins, self._pieces(pieces))

    def _pieces(self, pieces: Sequence[bytes | Exception]) -> Iterator[bytes]:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def download(*answers: tuple[ObjectFacts, int, Sequence[bytes | Exception]]) -> Download:
    bucket: Any = Scripted(list(answers))
    return Download(bucket, "a/key", "SPY 2024-11-27 flat file", FACTS, Sieve("SPY"))


def test_what_broke_off_behind_the_last_byte_is_whole() -> None:
    one = download((FACTS, 0, [CONTENT, TransportTrouble("late")]))
    with pytest.raises(TransportTrouble, match="late"):
        one.go_on()
    one.go_on()
    assert one.lines().count(b"\n") == 2
    assert one.bucket.asked == [(0, "abc")]  # type: ignore[attr-defined]


def test_every_part_is_asked_for_by_the_etag_that_was_announced() -> None:
    one = download((FACTS, 0, [CONTENT[:9], TransportTrouble("cut")]), (FACTS, 9, [CONTENT[9:]]))
    with pytest.raises(TransportTrouble, match="cut"):
        one.go_on()
    one.go_on()
    assert one.bucket.asked == [(0, "abc"), (9, "abc")]  # type: ignore[attr-defined]
    assert one.lines().count(b"\n") == 2


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((ObjectFacts("def", 0, len(CONTENT)), 0, [CONTENT]), Republished, "the answer is of another edition, def"),
        ((ObjectFacts("abc", 0, 9), 0, [CONTENT]), TransportTrouble, "the answer has those from 0 on of 9"),
        ((FACTS, 5, [CONTENT[5:]]), TransportTrouble, "were asked for, the answer has those from 5 on of"),
        ((FACTS, 0, [CONTENT[:9]]), TransportTrouble, "the answer ended behind byte 9 of"),
        ((FACTS, 0, []), TransportTrouble, "the answer ended behind byte 0 of"),
        ((FACTS, 0, [CONTENT, b"x"]), MalformedPage, "it has more bytes than the"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_gives_nothing(
    answer: tuple[ObjectFacts, int, Sequence[bytes]], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        download(answer).go_on()
    assert str(caught.value).startswith("SPY 2024-11-27 flat file (s3://flatfiles/a/key, ETag abc): ")


def test_a_refusal_brings_what_is_known_of_the_file_as_evidence() -> None:
    one = download((FACTS, 0, [CONTENT[:-3]]))
    one.announced = ObjectFacts("abc", 7, len(CONTENT) - 3)
    one.bucket.answers[0] = (one.announced, 0, [CONTENT[:-3]])  # type: ignore[attr-defined]
    one.go_on()
    with pytest.raises(MalformedPage, match="Nothing of it is used. Fetch again later; if it stays") as caught:
        one.lines()
    size = len(CONTENT) - 3
    assert caught.value.bodies == (
        f'{{"key":"a/key","etag":"abc","modified_ms":7,"size_bytes":{size},"rows":1}}'.encode(),
    )
