"""Rows of chosen files: only the columns and the hours that were asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
from numpy.typing import DTypeLike

from marketlake.errors import DamagedPartition, Overtaken
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.layout import revision_path
from marketlake.partitions.parquet_file import certified_columns
from marketlake.research.engines import as_asked
from marketlake.research.fill import Fill
from marketlake.research.frequency import Bins, fold, within
from marketlake.research.missing import fetching
from marketlake.research.selection import Chosen, Subject
from marketlake.research.tensor import SessionTensor
from marketlake.research.threads import in_turn
from marketlake.sessions import ALL_HOURS

SESSION = "session"
"""A column beside those of the files: the session's date."""


@dataclass(frozen=True)
class Cut:
    """What is taken of each file. ``step_ms`` None: the bars as they are."""

    columns: tuple[str, ...]
    window: str
    bar_ms: int
    step_ms: int | None = None
    closing_print: bool = False

    @property
    def of_file(self) -> list[str]:
        """The columns to read: what was asked for, and what it is made of."""
        needed = {"timestamp", *self.columns} - {SESSION}
        folded = self.step_ms is not None or self.closing_print
        return sorted(needed | ({"volume_exact"} if folded and "vwap" in needed else set()))


def session_rows(subject: Subject, chosen: Chosen, cut: Cut) -> pa.Table:
    """One session's rows, ``timestamp`` (int64, Unix ms UTC) first, then the columns. Raises DamagedPartition."""
    hours = subject.lake.calendar.hours(chosen.session)
    first_ms, end_ms = hours.window_ms(cut.window)
    rows = file_rows(subject, chosen, cut.of_file)
    if cut.window != ALL_HOURS:
        rows = within(rows, first_ms, end_ms + cut.closing_print)
    if cut.step_ms not in {None, cut.bar_ms}:
        rows = fold(rows, Bins.of(hours, cut.window, cut.step_ms, closing_print=cut.closing_print))
    elif cut.closing_print:
        last = Bins.of(hours, cut.window, cut.bar_ms, closing_print=True)
        rows = pa.concat_tables(
            [within(rows, first_ms, end_ms - cut.bar_ms), fold(within(rows, end_ms - cut.bar_ms, end_ms + 1), last)]
        )
    if SESSION in cut.columns:
        rows = rows.append_column(SESSION, pa.array([chosen.session] * rows.num_rows, pa.date32()))
    return rows.select(["timestamp", *(name for name in cut.columns if name != "timestamp")])


def bars_of(subject: Subject, chosen: Sequence[Chosen], cut: Cut, engine: str) -> Any:
    """The rows of all of them, ascending, as an engine has them."""
    tables = in_turn(lambda one: session_rows(subject, one, cut), chosen, subject.workers)
    return as_asked(tables, schema_of(subject, cut), sum(one.certificate.rows for one in chosen), engine)


@dataclass(frozen=True)
class _ReadSession:
    """How a tensor reads a session; it can be sent to another process."""

    subject: Subject
    chosen: Mapping[dt.date, Chosen]
    cut: Cut

    def __call__(self, session: dt.date, /) -> pa.Table:
        return session_rows(self.subject, self.chosen[session], self.cut)


def tensor_of(
    subject: Subject, chosen: Sequence[Chosen], cut: Cut, fill: Fill | Mapping[str, Fill], dtype: DTypeLike
) -> SessionTensor:
    """A tensor over the chosen files, which are read when it is looked at."""
    by_session = {one.session: one for one in chosen}
    return SessionTensor.of(
        _ReadSession(subject, by_session, cut),
        subject.lake.calendar.hours,
        list(by_session),
        cut.columns,
        step_ms=cut.step_ms or cut.bar_ms,
        fill=fill,
        dtype=dtype,
        readers=subject.workers,
    )


def schema_of(subject: Subject, cut: Cut) -> pa.Schema:
    """The columns that were asked for, and their types."""
    schema = subject.spec.rows.schema.append(pa.field(SESSION, pa.date32()))
    names = ["timestamp", *(name for name in cut.columns if name != "timestamp")]
    return pa.schema([schema.field(name) for name in names])


ReadColumns = Callable[[BinaryIO, list[str]], tuple[Certificate | None, pa.Table]]
"""How some columns are read out of a file, with its certificate. Raises DamagedPartition."""


def file_rows(subject: Subject, chosen: Chosen, columns: list[str], read: ReadColumns = certified_columns) -> pa.Table:
    """The columns of the file whose certificate was chosen, wherever it lies by now.

    ``read`` may leave rows out, but not of a file that is pinned, which is read whole. Raises DamagedPartition.
    """
    for path in _places(subject, chosen):
        rows = _columns(subject, path, chosen, columns, read)
        if rows is not None:
            return rows
    raise DamagedPartition(
        f"{subject.key(chosen.session)}: the rows of revision {chosen.certificate.revision} lay in {chosen.path} when"
        " it was chosen, and are there no longer: read again."
    )


def _places(subject: Subject, chosen: Chosen) -> Iterator[str]:
    """Where the rows lie: where they were found, or, superseded since, where they are kept."""
    yield chosen.path
    yield revision_path(subject.key(chosen.session), chosen.certificate.revision)


def _columns(subject: Subject, path: str, chosen: Chosen, columns: list[str], read: ReadColumns) -> pa.Table | None:
    """The columns of a file; None if it is gone, or holds other rows than those that were chosen."""
    file = subject.store.storage.open(path)
    if file is None:
        return None
    key, wanted = subject.key(chosen.session), chosen.certificate.content_hash
    with file:
        try:
            if chosen.pinned:
                certificate, rows = certified_columns(file, subject.spec.rows.schema.names)
            else:
                certificate, rows = read(file, columns)
        except Overtaken:  # replaced in an object store while it was read
            return None
        except DamagedPartition as exc:
            raise damaged(subject, path, chosen, str(exc)) from exc
    if certificate is None or certificate.key != key or certificate.content_hash != wanted:
        return None
    if chosen.pinned and subject.spec.rows.content_hash(rows) != wanted:
        raise damaged(subject, path, chosen, "its rows are not those that its certificate is of. Fetch it again.")
    return rows.select(columns)


def damaged(subject: Subject, path: str, chosen: Chosen, what: str) -> DamagedPartition:
    """The error of a file that cannot be what its certificate says, with what mends it."""
    command = fetching(subject, chosen.session, chosen.session, again=True)
    where = f"{subject.key(chosen.session)}: {path} in {subject.store.storage.where}"
    return DamagedPartition(f"{where}: {what} With:  {command}")
