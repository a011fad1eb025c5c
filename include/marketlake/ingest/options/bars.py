"""One session of option bars: select, freeze, ask for each contract, judge, publish, and say what became of each."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

import pyarrow as pa

from marketlake.datasets.option_answers import Basis, Question
from marketlake.datasets.option_bars import OPTION_BARS, SELECTION_INPUT
from marketlake.datasets.option_selection import OPTION_SELECTION, selection_rows
from marketlake.errors import NotFinal, RawPagesUnusable, RefusedData
from marketlake.ingest.certify import certify, judge
from marketlake.ingest.one_kind import require_same_kind
from marketlake.ingest.options.derived import publish_derived
from marketlake.ingest.options.freezing import earlier_rule, frozen, held_chain, reasons_of
from marketlake.ingest.options.journal import Journal, question_in
from marketlake.ingest.options.market_inputs import dividends_text, rates_text
from marketlake.ingest.options.source import OptionSource
from marketlake.ingest.publish import publish
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.refused import keep_refused
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.options.selection import FrozenRule
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.layout import journal_path
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Fetch
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import final_from, is_final
from marketlake.storage.storage import Writer

_ANSWERS_KEPT = dt.timedelta(days=7)
_log = logging.getLogger(__name__)


def fetch_bars(
    lake: Lake,
    ticker: str,
    session: dt.date,
    client: PolygonClient,
    source: OptionSource,
    *,
    allow_provisional: bool = False,
) -> Report:
    """Fetch the bars of a session's selected contracts, publish them, and then what became of each contract.

    The chain must be in the lake. A journal keeps every answer, so that whatever ends this goes on with what remains;
    if all of it is there, nothing is asked for. Raises InputMissing without the chain or a price to select by, and as
    ``ingest`` does; whatever is raised, the partitions are the old ones, whole.
    """
    key, store = OPTION_BARS.spec.key(ticker, session), lake.store(OPTION_BARS.spec)
    lake.calendar.require_final(session, lake.now(), allow_provisional=allow_provisional)
    require_same_kind(lake, host=source.host, key=key)
    with store.exclusive(key) as writer:
        path = store.storage.local_file(journal_path(key))
        held = store.partitions.certificate(key)
        question = _question(lake, client, key, source.name, [question_in(path), held])
        with Journal.for_question(path, question, not_before_ms=_oldest_ms(lake, key, held)) as journal:
            turn = _Turn(lake, key, writer, source.host)
            fetch = _collect(turn, source, question, journal)
            try:
                report, rows = _publish(turn, fetch, allow_provisional=allow_provisional)
            except RefusedData as refusal:
                _forget_offenders(turn, fetch, journal, str(refusal))
                raise
            _publish_selection(lake, key, fetch, rows)
            journal.remove()
    return report


@dataclass(frozen=True)
class _Turn:
    """One session, while nobody else has it."""

    lake: Lake
    key: PartitionKey
    writer: Writer
    host: str

    def refuse(self, bodies: tuple[bytes, ...], because: str) -> None:
        """Keep answers that may not enter."""
        store = self.lake.store(OPTION_BARS.spec)
        keep_refused(self.lake, store, self.writer, self.key, bodies=bodies, host=self.host, because=because)


def _collect(turn: _Turn, source: OptionSource, question: Question, journal: Journal) -> Fetch:
    """All that was asked and answered, as of the oldest answer; of now, if nothing was to be asked."""
    try:
        source.collect(question, turn.lake.calendar.hours(turn.key.session), journal)
    except RefusedData as refusal:
        turn.refuse(refusal.bodies, str(refusal))
        raise
    answers = {name: answer.listing for name, answer in journal.answers.items()}
    began_ms = journal.began_ms or int(turn.lake.now().timestamp() * 1000)
    return Fetch({**question.listings(), **answers}, source.host, began_ms)


def _forget_offenders(turn: _Turn, fetch: Fetch, journal: Journal, because: str) -> None:
    """Keep the answers that may not enter as refused ones, and have them asked for again."""
    offenders = OPTION_BARS.offenders(turn.lake, fetch, turn.key)
    turn.refuse(tuple(body for name in offenders for body in fetch.of(name).bodies), because)
    for name in offenders:
        journal.drop(name)


def rebuild_bars(lake: Lake, ticker: str, session: dt.date, *, allow_provisional: bool = False) -> Report:
    """Judge and publish the stored answers of one session, and what became of each contract. Raises as ``rebuild``."""
    key = OPTION_BARS.spec.key(ticker, session)
    report = rebuild(lake, OPTION_BARS, key, allow_provisional=allow_provisional)
    with lake.store(OPTION_BARS.spec).exclusive(key):
        _publish_selection(lake, key, *_stored(lake, key))
    return report


def _question(
    lake: Lake, client: PolygonClient, key: PartitionKey, source: str, earlier: list[Question | Certificate | None]
) -> Question:
    """What is to be asked for, and by what. Raises InputMissing, and what the client raises."""
    chain = held_chain(lake, key.ticker, key.session)
    known = [_rule_of(one) for one in earlier]
    rule = frozen(lake, client, key, chain, known)
    basis = Basis(
        rule=rule.canonical,
        bar_size=lake.settings.options.timespan,
        source=source,
        rates=rates_text(lake, client, key.session),
        dividends=dividends_text(lake, client, key.ticker, key.session),
    )
    question = Question(basis, rule, reasons_of(chain, rule))
    _log.info(
        "%s: %d of %d contracts are selected, by %.2f USD (%s)",
        key, len(question.selected), len(question.reasons), rule.reference_usd, rule.reference_source,
    )  # fmt: skip
    return question


def _rule_of(earlier: Question | Certificate | None) -> FrozenRule | None:
    """The rule that a journal was begun with, or that a certificate names."""
    return earlier.frozen if isinstance(earlier, Question) else earlier_rule(earlier.basis if earlier else None)


def _oldest_ms(lake: Lake, key: PartitionKey, held: Certificate | None) -> int:
    """Answers from before that are not gone on with: of a session that was not final yet, too old, or published."""
    now = lake.now()
    oldest = max(now - _ANSWERS_KEPT, final_from(key.session)) if is_final(key.session, now) else now - _ANSWERS_KEPT
    published_ms = held.fetched_at_ms + 1 if held and _names_held_selection(lake, held) else 0
    return max(int(oldest.timestamp() * 1000), published_ms)


def _names_held_selection(lake: Lake, bars: Certificate) -> bool:
    """Whether the selection that the lake holds is the one of these bars."""
    store = lake.store(OPTION_SELECTION.spec)
    selection = store.partitions.certificate(OPTION_SELECTION.spec.key(bars.ticker, bars.session))
    return selection is not None and selection.content_hash == bars.inputs.get(SELECTION_INPUT)


def _publish(turn: _Turn, fetch: Fetch, *, allow_provisional: bool) -> tuple[Report, pa.Table]:
    """Judge the answers and publish their bars: what came of it, and the bars."""
    lake, key = turn.lake, turn.key
    final = fetch.fetched_at_ms >= final_from(key.session).timestamp() * 1000
    if not final and not allow_provisional:
        raise NotFinal(
            f"{key}: by the clock of {fetch.source_host} the session is not final yet, and by this machine's it is."
            " Set the clock, and clear the task."
        )
    judged = judge(lake, OPTION_BARS, key, fetch, OPTION_BARS.decode(lake, fetch, key), final=final)
    return publish(lake, OPTION_BARS, turn.writer, certify(lake, OPTION_BARS, judged, fetch)), judged.rows


def _publish_selection(lake: Lake, key: PartitionKey, fetch: Fetch, rows_of_bars: pa.Table) -> None:
    """Publish what became of each contract, which the certificate of the bars names already.

    Raises RawPagesUnusable if it names another one.
    """
    bars = lake.store(OPTION_BARS.spec).partitions.certificate(key)
    rows = selection_rows(fetch, rows_of_bars)
    if bars is None or bars.inputs.get(SELECTION_INPUT) != OPTION_SELECTION.spec.rows.content_hash(rows):
        raise RawPagesUnusable(f"{key}: these answers are not those of the bars that the lake holds. Fetch it anew.")
    inputs = {name: digest for name, digest in bars.inputs.items() if name != SELECTION_INPUT}
    publish_derived(
        lake,
        OPTION_SELECTION,
        OPTION_SELECTION.spec.key(key.ticker, key.session),
        rows,
        inputs=inputs,
        basis={"rule": bars.basis["rule"]},
        of=[bars],
    )


def _stored(lake: Lake, key: PartitionKey) -> tuple[Fetch, pa.Table]:
    """The stored answers that the bars' certificate is of, and their bars. Raises RawPagesUnusable."""
    store = lake.store(OPTION_BARS.spec)
    held = store.partitions.certificate(key)
    stored = store.raw_pages.pages_of(key, held.revision) if held else []
    for pages in reversed(stored):
        rows = OPTION_BARS.decode(lake, pages.fetch, key).rows
        if held and OPTION_BARS.inputs(pages.fetch, rows) == held.inputs:
            return pages.fetch, rows
    raise RawPagesUnusable(f"{key}: none of the stored answers are those of the bars that the lake holds.")
