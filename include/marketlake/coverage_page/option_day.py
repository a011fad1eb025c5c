"""A session of options: what was selected by which rule, what became of it, and each dataset's evidence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.coverage_page.attempts import FAILED, Attempt, TaskLine
from marketlake.coverage_page.calendar import cell
from marketlake.coverage_page.day import (
    DAMAGED,
    Day,
    DayPart,
    PageLine,
    RevisionLine,
    bare_day,
    pages_of,
    revision_line,
)
from marketlake.coverage_page.option_session import OptionSession
from marketlake.coverage_page.option_words import (
    EVIDENCE_WORDS,
    SOURCE_WORDS,
    counted,
    option_comparisons,
    option_words,
    rule_words,
    state_words,
)
from marketlake.coverage_page.options import OptionIndex, Options
from marketlake.coverage_page.words import checks_in_words
from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.revisions import Revision
from marketlake.polygon.request import Timespan
from marketlake.research.selection import MISSING, Subject

_ANSWERS = "answers, compressed"


def option_day_of(
    options: Options,
    index: OptionIndex,
    session: dt.date,
    attempt: Attempt | None,
    tasks: Mapping[str, TaskLine] | None = None,
) -> Day:
    """What is known of a session. Raises NotASession, in words, for any other date.

    Each file is read whole: damage that a footer does not show is noted in ``index``. ``tasks``: what last had to do
    with each dataset, by its name.
    """
    there = OptionSession(options, session)
    index.look()
    parts = [_part(there, index, name, (tasks or {}).get(name)) for name in _shown(there)]
    shown = cell(session, index.look().get(session), attempt, early_close=there.hours.early_close)
    readable = all(part.readable for part in parts)
    bare = bare_day(options, shown, there.hours, readable=readable, bar_s=bar_ms_of(there) // 1000)
    return _with_words(bare, there, parts)


def bar_ms_of(there: OptionSession) -> int:
    """How long the bars of a session are, by their certificate, else by the settings."""
    bars = there.claimed(OPTION_BARS)
    if bars is not None and "bar_size" in bars.basis:
        return Timespan(bars.basis["bar_size"]).length_ms
    return 1_000 if there.options.lake.settings.options.bar_size == "1 second" else 60_000


def _shown(there: OptionSession) -> list[str]:
    """The datasets that are needed, or held all the same."""
    return [name for name in there.options.parts if name in there.options.needed or there.held(name) is not None]


def _with_words(day: Day, there: OptionSession, parts: list[DayPart]) -> Day:
    return msgspec.structs.replace(day, words=list(_words(there)), parts=parts)


def _words(there: OptionSession) -> Iterator[str]:
    """By what contracts were selected, from where bars came, and what became of the contracts."""
    frozen, bars = there.frozen(), there.claimed(OPTION_BARS)
    selection, because = there.selection()
    if frozen is not None:
        yield from rule_words(frozen)
    if bars is not None and "source" in bars.basis:
        yield f"Source: {SOURCE_WORDS.get(bars.basis['source'], bars.basis['source'])}."
    if selection is None:
        yield because[:1].upper() + because[1:]
        return
    yield state_words(_counts(selection, "state"))
    evidence = counted(_counts(selection, "evidence"), EVIDENCE_WORDS.items())
    if evidence:
        yield f"Evidence: {evidence}."


def _counts(table: pa.Table, column: str) -> dict[str, int]:
    """How often each value of a column occurs; null is left out."""
    counted = pc.value_counts(table.column(column)).to_pylist()
    return {one["values"]: one["counts"] for one in counted if one["values"] is not None}


def _part(there: OptionSession, index: OptionIndex, name: str, task: TaskLine | None) -> DayPart:
    part, held = there.options.parts[name], there.held(name)
    if held is None:
        return DayPart(name, MISSING, readable=False, task=task)
    if held.certificate is None:
        if held.footer_certificate is not None and name in index.parts:
            index.parts[name].doubt(there.session, DAMAGED)
        reasons = (there.why_without(name),)
        return DayPart(name, FAILED, readable=False, reasons=reasons, revisions=_revisions(there, name), task=task)
    certificate = held.certificate
    revisions = _revisions(there, name)
    return DayPart(
        name,
        certificate.state,
        readable=True,
        reasons=certificate.suspect_because,
        words=option_words(certificate),
        checks=checks_in_words(certificate),
        compared=option_comparisons(certificate),
        revisions=revisions,
        pages=list(_pages(part, certificate, revisions)),
        task=task,
    )


def _revisions(there: OptionSession, name: str) -> list[RevisionLine]:
    """Every revision of a dataset's rows that is kept, and the newest, ascending. Rows are not looked at again."""
    part, held = there.options.parts[name], there.held(name)
    key, store = part.key(there.session), part.store
    kept = zip(store.partitions.kept_revisions(key), store.revisions.kept_certificates(key), strict=False)
    newest = held.revision if held else 0
    known = [Revision(number, newest=False, certificate=certificate) for number, (_, certificate) in kept
             if number != newest]  # fmt: skip
    if held is not None:
        known.append(Revision(newest, newest=True, certificate=held.footer_certificate))
    return [revision_line(revision) for revision in known]


def _pages(part: Subject, certificate: Certificate, revisions: list[RevisionLine]) -> Iterator[PageLine]:
    """Of a chain its pages; of bars, of which there are as many as contracts, how large the archive of answers is."""
    numbers = [line.revision for line in revisions]
    if part.name == OPTION_CHAIN:
        yield from pages_of(part, certificate, numbers)
    elif part.name == OPTION_BARS:
        size = part.store.raw_pages.archive_bytes(certificate.key, certificate.revision)
        note = "" if size else "not kept"
        yield PageLine(_ANSWERS, certificate.pages, size, certificate.fetched_at_ms, certificate.revision, note)
