"""Option bars: those of every selected contract of a session, or the evidence that a contract has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.datasets.dataset import Decoded, EmptyRule
from marketlake.datasets.option_answers import FILE, FLAT_FILE, Question
from marketlake.datasets.option_selection import OPTION_SELECTION, selection_rows
from marketlake.errors import MalformedPage, RawPagesUnusable, RefusedData, UndecodableBody
from marketlake.lake import Lake
from marketlake.options.selection import OPEN_0930, SELECTED
from marketlake.partitions.certificate import Certificate
from marketlake.polygon import aggregates, flat_files
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.polygon.flat_files import FileFacts
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.quality.checks import Check
from marketlake.quality.option_checks import check_option_bars, empty_share, too_many_empties
from marketlake.quality.reconciliation import Reconciliation
from marketlake.rows.option_bars import BARS, CONTRACT_BARS
from marketlake.rows.option_selection import EMPTY, WITH_BARS
from marketlake.rows.spec import DatasetSpec, PartitionKey
from marketlake.sessions import SessionHours

SELECTION_INPUT, CHAIN_INPUT, RULE_INPUT = "option_selection", "option_chain", "frozen_rule"
_SESSIONS_BEFORE = 20


@dataclass(frozen=True)
class OptionBars:
    """Bars of an underlying's contracts, one table a session. ``ingest.options`` asks for them."""

    spec: DatasetSpec = CONTRACT_BARS
    empty: EmptyRule = EmptyRule.SHOWN_ELSEWHERE
    bounds_silence: bool = False

    def own_pages(self, fetch: Fetch) -> Listing:
        """The pages of every selected contract, ascending; or what came of the file."""
        names = [FILE] if FILE in fetch.listings else [name for name in sorted(fetch.listings) if name.startswith("O:")]
        return Listing(tuple(body for name in names for body in fetch.of(name).bodies))

    def inputs(self, fetch: Fetch, rows: pa.Table) -> Mapping[str, str]:
        """The content of the chain that was selected from, the frozen rule, and what became of each contract."""
        question = Question.of(fetch)
        selection = selection_rows(fetch, rows)
        return {
            CHAIN_INPUT: question.frozen.chain_hash,
            RULE_INPUT: question.frozen.hash,
            SELECTION_INPUT: OPTION_SELECTION.spec.rows.content_hash(selection),
        }

    def basis(self, fetch: Fetch) -> Mapping[str, str]:
        """The frozen rule, the size of a bar, the source, and what could be known of rates and dividends."""
        basis = Question.of(fetch).basis
        return {name: getattr(basis, name) for name in basis.__struct_fields__}

    def decode(self, lake: Lake, fetch: Fetch, key: PartitionKey) -> Decoded:
        """The bars of a fetch, by contract and time as they came. Raises RefusedData or UndecodableBody."""
        question = Question.of(fetch)
        if (question.frozen.underlying, question.frozen.session) != (key.ticker, key.session):
            raise RawPagesUnusable(
                f"{key}: these answers are of {question.frozen.underlying} {question.frozen.session}."
            )
        ids = (_facts(fetch).etag,) if question.basis.source == FLAT_FILE else ()  # the selection has those of pages
        return Decoded(_bars(fetch, question, lake.calendar.hours(key.session)), ids)

    def check(self, rows: pa.Table, hours: SessionHours, max_silence_s: float | None) -> list[Check]:  # noqa: ARG002
        """Every check of the bars."""
        return check_option_bars(rows, hours)

    def reconcile(self, lake: Lake, rows: pa.Table, fetch: Fetch, key: PartitionKey) -> Reconciliation:
        """How many contracts had no bar, held against the sessions before."""
        states = selection_rows(fetch, rows).column("state").to_pylist()
        share = empty_share(len(Question.of(fetch).selected), states.count(EMPTY))
        found = tuple(too_many_empties(share, _shares_before(lake, key)))
        return Reconciliation(None, None, {}, {"contracts": found})

    def offenders(self, lake: Lake, fetch: Fetch, key: PartitionKey) -> list[str]:
        """The listings of a refused fetch whose bars may not enter, each judged by itself."""
        question, hours = Question.of(fetch), lake.calendar.hours(key.session)
        if question.basis.source == FLAT_FILE:
            return [FILE]
        alone = {
            name: replace(question, reasons={name: SELECTED}) for name in question.selected if fetch.of(name).bodies
        }
        return [name for name, one in alone.items() if not _is_fit(fetch, one, hours)]


OPTION_BARS = OptionBars()


def _is_fit(fetch: Fetch, question: Question, hours: SessionHours) -> bool:
    try:
        checks = check_option_bars(_bars(fetch, question, hours), hours)
    except (RefusedData, UndecodableBody):
        return False
    return all(check.ok for check in checks if check.blocking)


def _bars(fetch: Fetch, question: Question, hours: SessionHours) -> pa.Table:
    """The bars of the selected contracts; from the reference's time on if that is the session's own open."""
    parts = _of_file(fetch, question) if question.basis.source == FLAT_FILE else _of_pages(fetch, question, hours)
    rows = pa.concat_tables([BARS.empty_table(), *parts]).combine_chunks()
    if question.frozen.rule.reference == OPEN_0930:
        rows = rows.filter(pc.greater_equal(rows.column("timestamp"), question.frozen.reference_end_ms))
    size_ms = Timespan(question.basis.bar_size).length_ms
    off = [start for start in rows.column("timestamp").unique().to_pylist() if start % size_ms]
    if off:
        name = f"{question.frozen.underlying} {question.frozen.session}"
        raise MalformedPage(
            f"{name} option bars: one begins at {off[0]}, which is no whole {question.basis.bar_size}. Fetch again"
            " later."
        )
    return rows


def _of_pages(fetch: Fetch, question: Question, hours: SessionHours) -> Iterator[pa.Table]:
    """A table a contract that has bars."""
    size = Timespan(question.basis.bar_size)
    for contract in question.selected:
        for number, body in enumerate(fetch.of(contract).bodies, 1):
            page = aggregates.decode(body)
            aggregates.require_echo(page, BarRequest(contract, hours, adjusted=False, timespan=size), number)
            if page.rows.num_rows:
                names = pa.repeat(pa.scalar(contract, pa.string()), page.rows.num_rows)
                yield page.rows.append_column("contract", names).select(BARS.names).cast(BARS)


def _of_file(fetch: Fetch, question: Question) -> Iterator[pa.Table]:
    """One table, ascending: the lines of the file that are of selected contracts."""
    _, lines = fetch.of(FILE).bodies
    rows = flat_files.decode(lines)
    yield rows.filter(pc.is_in(rows.column("contract"), pa.array(question.selected, pa.string()))).sort_by(
        [("contract", "ascending"), ("timestamp", "ascending")]
    )


def _facts(fetch: Fetch) -> FileFacts:
    return msgspec.json.decode(fetch.of(FILE).bodies[0], type=FileFacts)


def _shares_before(lake: Lake, key: PartitionKey) -> list[float]:
    """The share of empty contracts of the sessions before, of those that the lake holds."""
    partitions = lake.store(OPTION_SELECTION.spec).partitions
    sessions = lake.calendar.last_sessions(key.session, _SESSIONS_BEFORE + 1)[:-1]
    held = (partitions.certificate(OPTION_SELECTION.spec.key(key.ticker, session)) for session in sessions)
    return [share for certificate in held if certificate for share in _share_in(certificate)]


def _share_in(certificate: Certificate) -> Iterator[float]:
    counts = {check.name: check.count for check in certificate.checks}
    empty, with_bars = (counts.get(f"contracts_{state}", 0) for state in (EMPTY, WITH_BARS))
    if empty + with_bars:
        yield empty_share(empty + with_bars, empty)
