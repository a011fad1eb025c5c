"""The parameters of options: which contracts, from where, and by what they are valued."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from marketlake.settings.values import ReadyTime, Section, Tickers, checked_base_url

ContractType = Literal["call", "put"]


class Selection(Section):
    """Which contracts of a chain are asked for. Every bound is included."""

    moneyness_below: float = Field(default=0.05, ge=0, le=1)
    """strikes down to this share below the reference price; 0.05 is 5 %"""
    moneyness_above: float = Field(default=0.05, ge=0, le=100)
    """strikes up to this share above it"""
    dte_min: int = Field(default=0, ge=0, le=5_000)
    """calendar days to expiration, at least; 0: those that expire on the session, too"""
    dte_max: int = Field(default=45, ge=0, le=5_000)
    """at most so many"""
    types: tuple[ContractType, ...] = ("call", "put")
    """`call`, `put` or both"""
    reference: Literal["previous_close", "open_0930"] = "previous_close"
    """the price that strikes are held against; `open_0930`: only bars from then on are kept"""
    max_contracts: int = Field(default=5_000, ge=1, le=50_000)
    """of one session: beyond it, the strikes farthest from the reference are left out"""

    @model_validator(mode="after")
    def _ordered(self) -> Selection:
        if self.dte_max < self.dte_min:
            raise ValueError(f"dte_max {self.dte_max} is below dte_min {self.dte_min}")
        if not self.types or len(set(self.types)) < len(self.types):
            raise ValueError("types must name call, put or both, each once")
        return self


class Rates(Section):
    """What money costs until an option expires."""

    source: Literal["treasury", "constant"] = "treasury"
    """`treasury`: the vendor's yields of the last date before the session; or `constant`"""
    constant: float = Field(default=0.04, gt=-1, lt=1)
    """a year, continuous: 0.04 is 4 %"""


class Dividends(Section):
    """What the underlying pays until an option expires."""

    source: Literal["vendor", "constant", "none"] = "vendor"
    """`vendor`: the vendor's, as they could be known on the session; or `constant`, or `none`"""
    constant_usd: float = Field(default=1.8, ge=0, le=1_000)
    """USD a share and quarter"""


class Panel(Section):
    """The derived table with implied volatility and greeks."""

    enabled: bool = True
    """made of each session whose bars are there, without a call"""


class FlatFiles(Section):
    """The vendor's files over S3; their keys come from the environment or an Airflow connection, never from here."""

    endpoint_url: Annotated[str, AfterValidator(checked_base_url)] = "https://files.massive.com"
    """the address of the vendor's S3"""
    bucket: str = Field(default="flatfiles", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """its bucket"""


class Snapshots(Section):
    """What cannot be had later: open interest, and the vendor's own implied volatility and greeks."""

    enabled: bool = False
    """collected once a session, as the vendor shows it then"""
    time: ReadyTime = dt.time(16, 45)
    """in quotes: New York, on the day of the session; complete from "16:30" on, before that provisional for ever"""


class Options(Section):
    """Option chains, their bars, and a panel with implied volatility."""

    enabled: bool = False
    """a DAG a ticker: its chain, the bars of the selected contracts, and the panel"""
    tickers: Tickers = ("SPY",)
    """the underlyings; their second bars are a dataset of their own, which the panel needs"""
    source: Literal["rest", "flat_file"] = "rest"
    """`rest`: a request a contract and session; `flat_file`: the vendor's file of the day, whole, with S3 keys"""
    bar_size: Literal["1 minute", "1 second"] = "1 minute"
    """`1 second` by rest alone"""
    selection: Selection = Selection()
    concurrency: int = Field(default=16, ge=1, le=64)
    """requests of one session at a time"""
    max_requests_per_run: int = Field(default=20_000, ge=1)
    """a backfill or a run that could take more is refused before anything is fetched"""
    empty_recheck_s: float = Field(default=300, ge=0, le=3_600)
    """a contract that answers empty is asked again after so long, before that is believed"""
    revisit_after_sessions: tuple[Annotated[int, Field(ge=1, le=1_000)], ...] = (7,)
    """how many sessions later each one is looked at again"""
    rates: Rates = Rates()
    dividends: Dividends = Dividends()
    panel: Panel = Panel()
    flat_files: FlatFiles = FlatFiles()
    snapshots: Snapshots = Snapshots()

    @model_validator(mode="after")
    def _fitting(self) -> Options:
        if self.source == "flat_file" and self.bar_size != "1 minute":
            raise ValueError("bar_size 1 second is had by source rest alone: the vendor's files are of minutes")
        if self.enabled and not self.tickers:
            raise ValueError("enabled, but tickers is empty: name an underlying, such as SPY")
        return self

    @property
    def timespan(self) -> str:
        """How long a bar is, in the vendor's word."""
        return self.bar_size.removeprefix("1 ")

    @property
    def underlyings(self) -> tuple[str, ...]:
        """The tickers whose options are collected; none if they are off."""
        return tuple(self.tickers) if self.enabled else ()
