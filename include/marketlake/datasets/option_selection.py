"""The selection of a session: which contracts of its chain were asked for, why, and what each answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.datasets.dataset import EmptyRule
from marketlake.datasets.option_answers import FILE, FLAT_FILE, Question, day_listing
from marketlake.errors import InvalidBars
from marketlake.options.selection import SELECTED
from marketlake.polygon import aggregates
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.polygon.flat_files import FileFacts
from marketlake.quality.checks import Check
from marketlake.quality.option_checks import check_selection
from marketlake.rows.option_selection import (
    ASKED_TWICE,
    EMPTY,
    NOT_SELECTED,
    PAGES,
    SELECTION,
    SELECTIONS,
    WHOLE_FILE,
    WITH_BARS,
)
from marketlake.rows.spec import DatasetSpec
from marketlake.sessions import SessionHours

_TWICE = 2


@dataclass(frozen=True)
class OptionSelection:
    """It is made of the same answers as the session's bars, and published behind them."""

    spec: DatasetSpec = SELECTIONS
    empty: EmptyRule = EmptyRule.REFUSED
    bounds_silence: bool = False

    def check(self, rows: pa.Table, hours: SessionHours, max_silence_s: float | None) -> list[Check]:  # noqa: ARG002
        """Whether each row agrees with itself."""
        return check_selection(rows)


OPTION_SELECTION = OptionSelection()


def selection_rows(fetch: Fetch, bars: pa.Table) -> pa.Table:
    """The selection that a fetch shows. ``bars``: its rows. Raises InvalidBars for a contract without evidence."""
    question = Question.of(fetch)
    counted = pc.value_counts(bars.column("contract").combine_chunks())
    counts = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    shown = _of_file if question.basis.source == FLAT_FILE else _of_pages
    rows = (
        (contract, True, reason, *shown(fetch, contract, counts.get(contract, 0)))
        if reason == SELECTED
        else (contract, False, reason, NOT_SELECTED, None, 0, None)
        for contract, reason in question.reasons.items()
    )
    return _table(rows)


def _table(rows: Iterator[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(SELECTION)
    return pa.table([list(column) for column in columns], schema=SELECTION)


_Shown = tuple[str, str, int, str | None]
"""State, evidence, bars and request id of a contract."""


def _of_pages(fetch: Fetch, contract: str, bars: int) -> _Shown:
    """Of a contract that was asked for by itself. An answer whose bars all lie before the reference's time is empty."""
    own = fetch.of(contract)
    pages = [aggregates.outline(body) for body in own.bodies]
    if any(page.rows for page in pages):
        return WITH_BARS if bars else EMPTY, PAGES, bars, pages[-1].request_id
    if not _asked_twice(own, fetch.of(day_listing(contract))):
        raise InvalidBars(
            f"{contract}: selected, and nothing shows that it has no bars: asked {own.attempts if own.bodies else 0}"
            " times, and its day bar not at all, or with a volume. Clear the task: what is missing is asked for."
        )
    return EMPTY, ASKED_TWICE, 0, pages[-1].request_id


def _asked_twice(own: Listing, day: Listing) -> bool:
    has_day = any(aggregates.outline(body).rows for body in day.bodies)
    return bool(own.bodies) and own.attempts >= _TWICE and bool(day.bodies) and not has_day


def _of_file(fetch: Fetch, contract: str, bars: int) -> _Shown:  # noqa: ARG001 (one file shows all of them)
    facts = msgspec.json.decode(fetch.of(FILE).bodies[0], type=FileFacts)
    return WITH_BARS if bars else EMPTY, WHOLE_FILE, bars, facts.etag
