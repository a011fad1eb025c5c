"""The parameters themselves, section by section: type, default, bounds, and what each one means."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from marketlake.dataset_names import NAMES
from marketlake.settings.values import (
    Folder,
    ReadyTime,
    Root,
    Section,
    Ticker,
    Tickers,
    WaivableCheck,
    checked_base_url,
    checked_store_url,
)

_GZIP_HIGHEST = 9


class SecondBars(Section):
    """Per-second bars, which no plan for nothing includes."""

    tickers: Tickers = ("SPY",)
    """for each, a DAG of its bars and one of their audit; `tickers: [SPY]` is the short form of this line"""


class MinuteBars(Section):
    """Per-minute bars, which every plan includes."""

    tickers: Tickers = ()
    """the same for bars of a minute, which every plan includes; `[]`: none"""


class Datasets(Section):
    """What is collected: which tickers of which dataset."""

    second_bars: SecondBars = SecondBars()
    minute_bars: MinuteBars = MinuteBars()

    def tickers_of(self, name: str) -> tuple[str, ...]:
        """The tickers of the dataset of that name; none if it is off."""
        return tuple(getattr(self, name).tickers)

    @property
    def on(self) -> tuple[str, ...]:
        """The names of those that have a ticker. The first is what commands take if none is named."""
        return tuple(name for name in NAMES if self.tickers_of(name))

    @property
    def each(self) -> tuple[tuple[str, str], ...]:
        """Every dataset and ticker, in the order in which commands go through them."""
        return tuple((name, ticker) for name in self.on for ticker in self.tickers_of(name))


class History(Section):
    """The dates the lake is meant to hold, both included."""

    start_date: dt.date = dt.date(2003, 9, 10)
    """nothing before this date is fetched; the vendor begins on 2003-09-10"""
    end_date: dt.date | None = None
    """nor after this one; null: no end"""

    @model_validator(mode="after")
    def _ordered(self) -> History:
        if self.end_date is not None and self.end_date < self.start_date:
            raise ValueError(f"end_date {self.end_date} is before start_date {self.start_date}")
        return self

    def includes(self, day: dt.date) -> bool:
        """Whether the lake is meant to hold that date."""
        return self.start_date <= day and (self.end_date is None or day <= self.end_date)


class Bars(Section):
    """Which bars: the size, and whether prices are adjusted for splits."""

    size: Literal["1 second"] = "1 second"
    """of second bars, which have no other; minute bars are a dataset of their own"""
    adjusted: bool = False
    """prices adjusted for splits; a lake holds one kind only"""


class Api(Section):
    """The vendor's REST API and how patient to be with it."""

    base_url: Annotated[str, AfterValidator(checked_base_url)] = "https://api.massive.com"
    """the API; `POLYGON_BASE_URL` overrides it, and api.polygon.io is the same vendor"""
    page_limit: int = Field(default=50_000, ge=1, le=50_000)
    """bars a page"""
    connect_timeout_s: float = Field(default=10, gt=0, le=300)
    """for a connection"""
    read_timeout_s: float = Field(default=60, gt=0, le=600)
    """between two pieces of an answer"""
    answer_timeout_s: float = Field(default=300, gt=0, le=3_600)
    """for the whole body of an answer, so that one that trickles does not hold a task for ever"""
    attempts: int = Field(default=5, ge=1, le=20)
    """for one page, one after the other; then Airflow tries the session again later"""
    backoff_base_s: float = Field(default=0.5, ge=0, le=60)
    """the first wait; it doubles with each attempt, with jitter"""
    backoff_cap_s: float = Field(default=60, ge=0, le=600)
    """the longest single wait, a Retry-After of the vendor included"""
    sessions_in_flight: int = Field(default=8, ge=1, le=64)
    """sessions of a ticker at a time, a worker: so many by the DAG of its bars, and by its audit; half of options"""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """calls by all tasks of this machine, for a plan or proxy that counts them; null: no limit"""


class Storage(Section):
    """Where the lake lies and how its files are written."""

    root: Root = Path("data")
    """the lake: a folder, which starts at the project folder if it is relative, or `s3://bucket/prefix`"""
    endpoint_url: Annotated[str, AfterValidator(checked_store_url)] | None = None
    """the object store, if `root` is in one; null: AWS"""
    region: str | None = None
    """of the bucket; null: what boto3 finds, such as `AWS_REGION`"""
    addressing: Literal["auto", "path"] = "auto"
    """`path` for stores that take no bucket as a part of their name, and for buckets with dots"""
    connection: str | None = None
    """an Airflow connection with the store's keys, for tasks; null: the environment, `.env`, a profile or a role"""
    attempts: int = Field(default=5, ge=1, le=20)
    """for one request to the store; then Airflow tries the session again later"""
    connect_timeout_s: float = Field(default=10, gt=0, le=300)
    """for a connection to the store"""
    read_timeout_s: float = Field(default=60, gt=0, le=600)
    """between two pieces of its answer"""
    conditional_writes: Literal["required", "one_machine"] = "required"
    """`one_machine`: a store without them, to which only one machine ever writes"""
    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"
    """of the partitions"""
    compression_level: int = Field(default=4, ge=1, le=22)
    """for zstd, and up to 9 for gzip; the others have none"""
    keep_raw_pages: bool = True
    """the API's pages beside the partitions, to rebuild them without a call"""
    min_free_bytes: int = Field(default=1_000_000_000, ge=0)
    """refuse to start with less free disk than this; a backfill wants the room for its sessions on top"""
    lock_timeout_s: float = Field(default=900, gt=0, le=86_400)
    """how long a task waits for another one on the same date"""

    @model_validator(mode="after")
    def _level_fits(self) -> Storage:
        if self.compression == "gzip" and self.compression_level > _GZIP_HIGHEST:
            raise ValueError(f"compression_level {self.compression_level} is too high for gzip: 1 to {_GZIP_HIGHEST}")
        return self


class Calendar(Section):
    """Corrections to the calendar library."""

    closures: tuple[dt.date, ...] = ()
    """dates the exchange closed that the calendar library does not know yet"""


class Schedule(Section):
    """When a session is due, and how far a scheduled run looks back."""

    enabled: bool = True
    """false: the scheduler starts nothing, no audit either; backfills and manual runs still work"""
    ready_time: ReadyTime = dt.time(11, 30)
    """in quotes, from "11:00" on, when bars are final: New York, on the day after the session"""
    catch_up_sessions: int = Field(default=60, ge=0, le=1_000)
    """the run of a session also fetches what is missing or provisional among so many before it"""
    deadline_s: float = Field(default=10_800, gt=0, le=604_800)
    """a scheduled run that has not ended so long after it was queued is reported"""


class Tasks(Section):
    """How Airflow retries a session."""

    retries: int = Field(default=4, ge=0, le=50)
    """Airflow's tries after the first, of what may pass; what a person must mend fails at once"""
    retry_delay_s: float = Field(default=60, ge=0, le=86_400)
    """the first delay; it doubles with each try, with jitter"""
    retry_delay_cap_s: float = Field(default=1_800, ge=0, le=86_400)
    """the longest delay"""
    timeout_s: float = Field(default=1_800, gt=0, le=86_400)
    """one try of one task"""
    workers: int = Field(default=1, ge=1, le=64)
    """workers that share the tasks: so many times `api.sessions_in_flight`; the containers set it"""


class Quality(Section):
    """How silent a session may be, and which check of which session a person has accepted."""

    max_silence_s: float = Field(default=1_800, gt=0, le=23_400)
    """regular hours without a single trade: longer means a short answer, and is refused"""
    accept: dict[Ticker, dict[dt.date, tuple[WaivableCheck, ...]]] = Field(default_factory=dict)
    """a vendor's odd bar, on record: `{SPY: {2004-03-02: [low_above_open]}}`"""


class Reconcile(Section):
    """What a session's seconds are held against, and how far they may fall short before it is suspect.

    The vendor's seconds, minutes and days differ legitimately, by how much nobody has published. What the limits meet
    in real sessions was measured: "A suspect day" in docs/operations.md. Equality is never asked for.
    """

    enabled: bool = True
    """also fetch the session's minute bars and its day bar (two requests), and compare"""
    missing_minutes: int = Field(default=0, ge=0, le=1_440)
    """more minutes than this with a minute bar and not one second: suspect"""
    short_share: float = Field(default=0.05, ge=0, le=1)
    """suspect if more than this share of the minute bars' trades or volume is in no second"""
    day_short_share: float = Field(default=0.10, ge=0, le=1)
    """suspect if more than this share of the day bar's volume, which also holds the closing auction, is in no second"""
    surplus_share: float = Field(default=0.01, ge=0, le=10)
    """seconds that hold more than the longer bars, by a larger share: suspect"""
    price_share: float = Field(default=0.05, ge=0, le=10)
    """a price of a second that leaves its minute bar's high or low by a larger share: suspect"""


class Audit(Section):
    """Looking again at sessions that are there: the vendor may have changed them."""

    enabled: bool = True
    """a DAG a ticker that fetches again what is due, and compares row by row"""
    ready_time: ReadyTime = dt.time(12, 30)
    """in quotes, from "11:00" on: New York, on the day after each session, when the daily run has had an hour"""
    revisit_after_sessions: tuple[Annotated[int, Field(ge=1, le=1_000)], ...] = (1, 7, 30)
    """how many sessions later each one is fetched again"""
    sessions_a_run: int = Field(default=100, ge=1, le=10_000)
    """at most so many; how many are left is said, and they come with the next runs"""


Channel = Literal["webhook", "email"]


class Reporting(Section):
    """Whom a scheduled run tells what failed, is suspect or is missing. Its log has it in any case."""

    to: tuple[Channel, ...] = ()
    """beside the log: `webhook` (its URL is a secret: `MARKETLAKE_WEBHOOK_URL`), `email`"""
    email_to: tuple[Annotated[str, Field(pattern=r"^[^@\s,;]+@[^@\s,;]+$")], ...] = ()
    """addresses; the server is the Airflow connection `smtp_default`"""
    when: Literal["trouble", "always"] = "trouble"
    """always: a run without trouble is reported, too"""

    @model_validator(mode="after")
    def _addressed(self) -> Reporting:
        if "email" in self.to and not self.email_to:
            raise ValueError("to has email, but email_to is empty: name an address")
        return self


class Logging(Section):
    """Where logs go (always a local folder) and from which level."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """from which level"""
    folder: Folder = Path("data/logs")
    """of the task logs; always on this machine"""
