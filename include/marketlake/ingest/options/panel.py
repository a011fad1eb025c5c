"""The panel of a session, from what the lake holds of it: without a call."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

import pyarrow as pa

from marketlake import commands
from marketlake.dataset_names import OPTIONS, SECOND_BARS
from marketlake.datasets.option_bars import CHAIN_INPUT, SELECTION_INPUT
from marketlake.datasets.option_panel import OPTION_PANEL
from marketlake.errors import InputMissing, UnderlyingMissing
from marketlake.ingest.options.derived import publish_derived
from marketlake.ingest.options.market_inputs import dividends_of, rates_of
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.options.dividends import ConstantDividends, Dividends, NoDividends
from marketlake.options.panel import panel_rows
from marketlake.options.pricing import model
from marketlake.options.rates import ConstantRate, TreasuryCurve
from marketlake.partitions.certificate import Certificate
from marketlake.polygon.request import Timespan
from marketlake.rows.bars import SECONDS
from marketlake.rows.option_bars import CONTRACT_BARS
from marketlake.rows.option_chain import CHAINS
from marketlake.rows.option_selection import SELECTIONS
from marketlake.rows.spec import DatasetSpec, PartitionKey

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Held:
    """Rows that the lake holds, and the certificate that they match."""

    rows: pa.Table
    certificate: Certificate


def build_panel(lake: Lake, ticker: str, session: dt.date) -> Report:
    """Make the panel of a session's option bars, judge and publish it.

    Bars, selection and chain must be those that the bars' certificate names, and the underlying's second bars must be
    there. Raises InputMissing, which says what is not and the command that fetches it, UnderlyingMissing of the second
    bars; InvalidBars, EngineMissing, BadArgument or StorageError; whatever is raised, the partition is the old one.
    """
    key = OPTION_PANEL.spec.key(ticker, session)
    lake.calendar.hours(session)  # raises NotASession
    bars, chain = _options(lake, key)
    seconds = _underlying(lake, key)
    rates, dividends = _rates(lake, bars.certificate), _dividends(lake, bars.certificate)
    rows = panel_rows(
        bars.rows,
        seconds.rows,
        chain.rows,
        session=session,
        calendar=lake.calendar,
        bar_ms=Timespan(bars.certificate.basis["bar_size"]).length_ms,
        rates=rates,
        dividends=dividends,
    )
    of = [one.certificate for one in (bars, chain, seconds)]
    return publish_derived(
        lake,
        OPTION_PANEL,
        key,
        rows,
        inputs={one.dataset: one.content_hash for one in of},
        basis={"rates": rates.source, "dividends": dividends.source, "model": model()},
        of=of,
    )


def _options(lake: Lake, key: PartitionKey) -> tuple[_Held, _Held]:
    """The session's bars, and the chain that they were selected from. Raises InputMissing."""
    bars = _held(lake, CONTRACT_BARS, key)
    if bars is None:
        raise _missing(lake, key, "the lake holds no option bars of it that prove themselves")
    named = bars.certificate.inputs
    if _hash_of(lake, SELECTIONS, key) != named.get(SELECTION_INPUT):
        raise _missing(lake, key, "the selection that is held is another one than its option bars name")
    chain = _held(lake, CHAINS, key)
    if chain is None or chain.certificate.content_hash != named.get(CHAIN_INPUT):
        raise _missing(lake, key, "the chain that is held is another one than its option bars were selected from")
    return bars, chain


def _underlying(lake: Lake, key: PartitionKey) -> _Held:
    """The session's second bars. Raises UnderlyingMissing."""
    seconds = _held(lake, SECONDS, key)
    if seconds is None:
        tickers = lake.settings.datasets.tickers_of(SECOND_BARS)
        there = lake.store(SECONDS).partitions.size_bytes(SECONDS.key(key.ticker, key.session)) > 0
        how = commands.fetching(SECOND_BARS, key.ticker, key.session, key.session, tickers=tickers, again=there)
        what = "do not prove themselves" if there else "are not in the lake"
        raise UnderlyingMissing(
            f"{key}: the second bars of {key.ticker} on that session {what}, of which the underlying's prices are. It"
            f" is tried again; fetch them with  {how}"
        )
    return seconds


def _missing(lake: Lake, key: PartitionKey, what: str) -> InputMissing:
    tickers = lake.settings.options.tickers
    how = commands.fetching(OPTIONS, key.ticker, key.session, key.session, tickers=tickers, again=True)
    return InputMissing(f"{key}: {what}. Clear the task fetch_bars of this session, or fetch all of it with  {how}")


def _held(lake: Lake, spec: DatasetSpec, key: PartitionKey) -> _Held | None:
    """What the lake holds of a dataset in the panel's session; None if it does not prove itself."""
    partitions = lake.store(spec).partitions
    found = partitions.inspect(spec.key(key.ticker, key.session))
    if found is None or found.certificate is None:
        return None
    return _Held(partitions.rows_of(found), found.certificate)


def _hash_of(lake: Lake, spec: DatasetSpec, key: PartitionKey) -> str | None:
    """The content hash of what the lake holds; None if it does not prove itself."""
    found = _held(lake, spec, key)
    return found.certificate.content_hash if found else None


def _rates(lake: Lake, bars: Certificate) -> ConstantRate | TreasuryCurve:
    """A constant if the settings have one, else what was known when the bars were fetched."""
    configured = lake.settings.options.rates
    if configured.source == "constant":
        return ConstantRate(configured.constant)
    known = rates_of(bars.basis["rates"])
    if isinstance(known, ConstantRate):
        _log.warning("%s: its bars were fetched with a constant rate, which stays: %s", bars.key, known.source)
    return known


def _dividends(lake: Lake, bars: Certificate) -> Dividends:
    """Those of the settings if they have any or none, else what was known when the bars were fetched."""
    configured = lake.settings.options.dividends
    if configured.source == "none":
        return NoDividends()
    if configured.source == "constant":
        return ConstantDividends(configured.constant_usd, lake.calendar)
    known = dividends_of(bars.basis["dividends"], lake.calendar)
    if isinstance(known, NoDividends | ConstantDividends):
        _log.warning("%s: its bars were fetched with other dividends, which stay: %s", bars.key, known.source)
    return known
