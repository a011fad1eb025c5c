"""``open_lake``: one door to what a lake holds, for people. It needs no key, takes no lock and writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from numpy.typing import DTypeLike

from marketlake.dataset_names import SECOND_BARS
from marketlake.lake import Lake
from marketlake.lake_root import LakeRoot
from marketlake.research import frames
from marketlake.research.arguments import TAKEN, Day, Engine, Missing, Window, day, days, one_of
from marketlake.research.engines import ENGINES
from marketlake.research.fill import Fill
from marketlake.research.history import History
from marketlake.research.lazily import SCANNED_BY, scan
from marketlake.research.manifest import written
from marketlake.research.opening import opened, source_of, summary
from marketlake.research.options.lake import OptionReader
from marketlake.research.question import Question, cut_of, grid_of, stock_subject_of, subject_of
from marketlake.research.reading import bars_of, tensor_of
from marketlake.research.sql import connect
from marketlake.research.tensor import SessionTensor


def open_lake(root: str | Path | None = None) -> ResearchLake:
    """The lake in a folder or at ``s3://bucket/prefix``, to read; without either, that of the settings.

    A relative folder begins where one is; how a bucket is reached, the settings say. Nothing is loaded, locked or
    written; another process may be filling the lake. Raises BadArgument without one, SettingsError for bad settings.
    >>> lake = open_lake(root)
    >>> lake
    <lake of 127.0.0.1 at ...: second_bars of SPY, 2024-11-25 to 2024-12-03, 6 of 6 sessions complete>
    """
    return ResearchLake(opened(root))


class ResearchLake(OptionReader):
    """What a lake holds, for research. Made by ``open_lake``.

    Dates are sessions (trading days of the XNYS calendar), both ends included: a ``datetime.date``, ``"2024-06-03"``,
    and of a range also a month ``"2024-06"`` or a year ``"2024"``. ``dataset``: ``second_bars`` or ``minute_bars``, and
    of what gives no bars also one of options, such as ``option_panel``.
    A wrong argument raises BadArgument (a ValueError): one line with its name, its value and what is allowed.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    @property
    def root(self) -> LakeRoot:
        """The lake's folder, absolute, or its bucket."""
        return self._lake.settings.storage_root

    def __repr__(self) -> str:
        return f"<lake of {source_of(self._lake)} at {self._lake.storage.where}: {summary(self._lake)}>"

    def bars(
        self,
        start: Day,
        end: Day | None = None,
        ticker: str = "SPY",
        *,
        dataset: str = SECOND_BARS,
        columns: Sequence[str] | None = None,
        hours: Window = "regular",
        frequency: str | None = None,
        closing_print: bool = False,
        engine: Engine = "pandas",
        as_of: dt.datetime | None = None,
        manifest: Mapping[str, Any] | None = None,
        missing: Missing = "raise",
        states: Sequence[str] = TAKEN,
    ) -> Any:
        """The bars of every session from ``start`` to ``end``, ascending by time.

        ``end``: by default where the period of ``start`` ends. ``columns``: by default all but ``ticker``; ``session``,
        its date, is one more. ``engine``: a ``pandas.DataFrame`` indexed by New York time, or the same rows as a
        ``polars.DataFrame`` or ``pyarrow.Table`` with a zoned ``timestamp``, the start of the bar; for the types see
        ``marketlake.research.engines``. Prices: USD, unadjusted unless the lake says so; no trade in a second, no row.

        ``hours``: ``regular`` is [09:30, 16:00), or [09:30, 13:00) on an early close; ``extended`` [04:00, 20:00);
        ``all`` the whole New York day. The bar that starts when regular hours end, the closing print, is not in them;
        ``closing_print=True`` (of second bars) folds it into the last bar. ``frequency`` folds bars: ``"5s"``,
        ``"1min"``, ``"30min"``, ``"1h"``, ``"1d"``; first, max, min, last and sums, vwap weighted by the exact volume.
        Bins begin at the regular open, are labelled by their start and never cross a session; empty ones are absent.

        ``as_of`` (with a zone) reads what the lake held then, ``manifest`` exactly the rows that ``manifest()`` noted,
        superseded or not. No session is passed over in silence: those that are missing or in none of ``states``
        (``complete``, ``suspect``, ``provisional``) raise SessionsMissing, which has all, or with ``missing="skip"``
        are a warning with its text. Raises DamagedPartition for a file that cannot be read, and EngineMissing.

        >>> lake.bars("2024-11-29", columns=["close", "volume"], frequency="1h").shape
        (4, 2)
        """
        question = Question(stock_subject_of(self._lake, ticker, dataset), as_of, manifest, missing, states)
        cut = cut_of(question.subject, columns, hours, frequency, closing_print=closing_print)
        wanted = one_of("engine", engine, ENGINES)
        return bars_of(question.subject, question.chosen(start, end), cut, wanted)

    def scan(
        self,
        start: Day,
        end: Day | None = None,
        ticker: str = "SPY",
        *,
        dataset: str = SECOND_BARS,
        engine: Literal["arrow", "polars"] = "arrow",
        as_of: dt.datetime | None = None,
        manifest: Mapping[str, Any] | None = None,
        missing: Missing = "raise",
        states: Sequence[str] = TAKEN,
    ) -> Any:
        """The files of the same sessions, read when they are asked: a ``pyarrow.dataset.Dataset``, or a LazyFrame.

        Their rows are as they lie, all hours, ``timestamp`` in Unix ms UTC, and a ``date`` that leaves out whole files.
        A file that is replaced meanwhile is read as it is then, also with ``manifest`` and ``as_of``; Polars does not
        hold pages against their checksums, as ``bars`` and Arrow do. Arguments and errors as of ``bars``.

        >>> lake.scan("2024-11-25", "2024-11-29").count_rows()
        1380
        """
        question = Question(subject_of(self._lake, ticker, dataset), as_of, manifest, missing, states)
        wanted = one_of("engine", engine, SCANNED_BY)
        return scan(question.subject, question.chosen(start, end), wanted)

    def duckdb(self) -> Any:
        """A DuckDB connection in memory, with a view for each dataset that is held, and two tables.

        A view (``second_bars``, ``option_panel``, …) is of the sessions that were complete or suspect when the
        connection was made: ``time`` (with zone, the start of the bar, if rows are of one), ``session`` (date), of
        options the underlying's ``ticker``, the columns of their files, all hours; of option bars and panels also
        ``expiry``, ``type``, ``strike``. ``sessions``: ``session``, regular ``open`` and ``close``, ``early_close``,
        from 2003-09-10 to today. ``certificates``: a row a session that had one. DuckDB does not hold pages against
        their checksums, as ``bars`` does. Raises EngineMissing without DuckDB.

        >>> query = "select count(*) from second_bars join sessions using (session) where early_close"
        >>> lake.duckdb().sql(query).fetchall()
        [(210,)]
        """
        return connect(self._lake)

    def tensor(
        self,
        start: Day,
        end: Day | None = None,
        ticker: str = "SPY",
        *,
        fields: Sequence[str] | str = ("close", "volume"),
        step: str | None = None,
        fill: Fill | Mapping[str, Fill] = "nan",
        closing_print: bool = False,
        dtype: DTypeLike = "float32",
        dataset: str = SECOND_BARS,
        as_of: dt.datetime | None = None,
        manifest: Mapping[str, Any] | None = None,
        missing: Missing = "raise",
        states: Sequence[str] = TAKEN,
    ) -> SessionTensor:
        """Regular hours of the sessions as arrays, sessions × steps × fields: see ``SessionTensor``.

        ``fields``: columns of numbers; ``step``: as ``frequency``, else the bars' own length; ``fill``: what stands in
        a step in which nothing traded, ``nan``, ``ffill`` (the last value of the session so far, never one from the
        future) or ``zero``, one word or one by field; ``dtype``: ``float32`` (shares to 16,777,216 are exact) or
        ``float64``. Files are read when ``values`` is first looked at. Other arguments and errors as of ``bars``.

        >>> lake.tensor("2024-11-29", fields=["close"], step="1min", fill="ffill").values.shape
        (1, 210, 1)
        """
        question = Question(stock_subject_of(self._lake, ticker, dataset), as_of, manifest, missing, states)
        cut = grid_of(question.subject, fields, step, closing_print=closing_print)
        return tensor_of(question.subject, question.chosen(start, end), cut, fill, dtype)

    def manifest(
        self,
        start: Day,
        end: Day | None = None,
        ticker: str = "SPY",
        *,
        dataset: str = SECOND_BARS,
        as_of: dt.datetime | None = None,
        missing: Missing = "raise",
        states: Sequence[str] = TAKEN,
    ) -> dict[str, Any]:
        """What ``bars`` would read, by the hash of each session's rows: plain JSON, to commit beside a model.

        ``bars(…, manifest=…)`` reads those rows again, from kept revisions if they have been superseded, and raises
        SessionsMissing if some are gone. Arguments and errors as of ``bars``.

        >>> noted = lake.manifest("2024-11-29")
        >>> noted["sessions"]
        [{'session': '2024-11-29', 'revision': 1, 'content_hash': '...', 'rows': 210}]
        >>> len(lake.bars("2024-11-29", manifest=noted, hours="all"))
        210
        """
        question = Question(subject_of(self._lake, ticker, dataset), as_of, None, missing, states)
        return written(question.subject, *days(start, end), question.chosen(start, end))

    def sessions(self, ticker: str = "SPY", *, dataset: str = SECOND_BARS) -> list[dt.date]:
        """The sessions that are held, complete or suspect, ascending: of each, ``bars`` gives rows. Reads footers.

        >>> lake.sessions()[0]
        datetime.date(2024, 11, 25)
        """
        return Question(subject_of(self._lake, ticker, dataset), states=TAKEN).held()

    def coverage(
        self, start: Day, end: Day | None = None, ticker: str = "SPY", *, dataset: str = SECOND_BARS
    ) -> pd.DataFrame:
        """A row for each session of the range, held or not, indexed by its date.

        ``state`` (``complete``, ``suspect``, ``provisional``, ``empty``, or ``missing``, ``not final yet``, ``without
        a certificate``), ``rows``, ``revision`` (``<NA>`` if nothing is held), ``early_close``.

        >>> lake.coverage("2024-11-27", "2024-11-29")["state"].to_list()
        ['complete', 'complete']
        """
        return frames.coverage(*self._found(start, end, ticker, dataset))

    def certificates(
        self, start: Day, end: Day | None = None, ticker: str = "SPY", *, dataset: str = SECOND_BARS
    ) -> pd.DataFrame:
        """A row for each session of the range that has a certificate, indexed by its date.

        State, ``rows``, ``volume`` (shares), ``transactions``, first and last bar (New York time), ``revision``,
        ``content_hash``, when it was published and fetched (UTC), ``source_host``, and why it is suspect, if it is.

        >>> lake.certificates("2024-11-29")[["rows", "revision"]].iloc[0].to_list()
        [210, 1]
        """
        return frames.certificates(self._found(start, end, ticker, dataset)[1])

    def revisions(self, session: Day, ticker: str = "SPY", *, dataset: str = SECOND_BARS) -> pd.DataFrame:
        """Every revision of one session's rows that is kept, and the newest, indexed by its number.

        >>> lake.revisions("2024-11-29")["newest"].to_dict()
        {1: True}
        """
        return History(subject_of(self._lake, ticker, dataset)).revisions(day("session", session))

    def revision(
        self,
        session: Day,
        number: int,
        ticker: str = "SPY",
        *,
        dataset: str = SECOND_BARS,
        hours: Window = "all",
        engine: Engine = "pandas",
    ) -> Any:
        """The bars of one revision, as ``bars`` gives them. Raises NoSuchRevision, with those that are kept.

        >>> len(lake.revision("2024-11-29", 1))
        210
        """
        history = History(stock_subject_of(self._lake, ticker, dataset))
        cut, wanted = cut_of(history.subject, None, hours), one_of("engine", engine, ENGINES)
        return history.bars(day("session", session), number, cut, wanted)

    def changes(
        self, session: Day, old: int, new: int, ticker: str = "SPY", *, dataset: str = SECOND_BARS
    ) -> pd.DataFrame:
        """The bars in which two revisions differ, indexed by New York time; of options by contract, and time if any.

        ``change`` is ``added``, ``removed`` or ``changed``; every other column stands twice, as ``open_old`` and
        ``open_new``. Raises NoSuchRevision.

        >>> lake.changes("2024-11-29", 1, 1).empty
        True
        """
        return History(subject_of(self._lake, ticker, dataset)).changes(day("session", session), old, new)

    def _found(self, start: Day, end: Day | None, ticker: str, dataset: str) -> Any:
        question = Question(subject_of(self._lake, ticker, dataset))
        return question.subject, question.found(start, end)
