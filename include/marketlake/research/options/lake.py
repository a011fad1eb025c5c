"""What ``ResearchLake`` offers of options: three readers, and the filters that they have in common."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN, OPTION_PANEL
from marketlake.lake import Lake
from marketlake.research import missing as absence
from marketlake.research.arguments import TAKEN, Day, Engine, Missing, day, moment, one_of, some_of
from marketlake.research.engines import ENGINES
from marketlake.research.options.chain import SessionChain
from marketlake.research.options.chain_reading import ChainCut, chain_of
from marketlake.research.options.contract_filter import ContractFilter
from marketlake.research.options.rows import OptionCut, option_rows
from marketlake.research.options.session_files import SessionFiles
from marketlake.research.question import STATES, Question, subject_of

DaySpan = Day | tuple[Day | None, Day | None] | None
"""A date, a month or a year, or from one to another, both included; ``None`` in a pair: without that bound."""
WholeSpan = int | tuple[int | None, int | None] | None
Span = float | tuple[float | None, float | None] | None


class OptionReader:
    """The part of ``ResearchLake`` that reads options. ``ticker`` is always that of the underlying."""

    _lake: Lake

    def option_chain(
        self,
        session: Day,
        ticker: str = "SPY",
        *,
        columns: Sequence[str] | None = None,
        expiry: DaySpan = None,
        dte: WholeSpan = None,
        moneyness: tuple[float | None, float | None] | None = None,
        type: str | None = None,
        strike: Span = None,
        contract: str | Sequence[str] | None = None,
        engine: Engine = "pandas",
        as_of: dt.datetime | None = None,
        missing: Missing = "raise",
        states: Sequence[str] = TAKEN,
    ) -> SessionChain:
        """The chain of one session: every contract that was listed on it, why it was selected or not, and its state.

        A ``SessionChain``. ``.contracts``: a row a contract, ascending by ticker, as a frame of the ``engine``, with
        what ``option_chain`` has of it, and ``selected``, ``reason``, ``state``, ``evidence`` and ``bars``; these are
        null if the lake has neither bars nor a selection of that session. ``state`` and ``bars`` are of the whole day:
        nobody knew them before it was over. ``.at(…)`` and ``.nearest(…)``: what could be known at a moment.

        Filters, each of which must hold, bounds included: ``expiry``, a date, month or year, or a pair; ``dte``,
        calendar days to the expiry; ``moneyness``, strike / price - 1, of the price that the session's contracts were
        selected by; ``type``, call or put; ``strike``, USD; ``contract``, a ticker or several. In a pair ``None`` is no
        bound. ``columns`` may also name ``session``, ``expiry``, ``type``, ``strike``, ``dte``, ``moneyness``.

        A selection counts only if the certificate of the session's bars names it, and they this chain: if not,
        SessionsMissing says so with what mends it, or with ``missing="skip"`` a warning does, and its columns are null.
        ``as_of`` as in ``bars``; a manifest is of one dataset, and a chain is made of up to four. Raises BadArgument,
        DamagedPartition and EngineMissing as ``bars`` does.

        >>> chain = lake.option_chain("2024-11-27", moneyness=(0.0, 0.01), type="call")
        >>> chain
        <option chain of SPY on 2024-11-27: 6 contracts, selected by 600 USD>
        """
        wanted = ContractFilter.of(expiry=expiry, dte=dte, moneyness=moneyness, type=type, strike=strike,
                                   contract=contract)  # fmt: skip
        cut = ChainCut.of(columns, wanted)
        subject = subject_of(self._lake, ticker, OPTION_CHAIN)
        (one,) = Question(subject).sessions(day("session", session), None)
        at = None if as_of is None else moment("as_of", as_of)
        files = SessionFiles(self._lake, subject.ticker, one, at, some_of("states", states, STATES))
        if_missing = one_of("missing", missing, (absence.RAISE, absence.SKIP))
        return chain_of(files, cut, if_missing, one_of("engine", engine, ENGINES))

    def option_bars(
        self,
        start: Day,
        end: Day | None = None,
        ticker: str = "SPY",
        *,
        columns: Sequence[str] | None = None,
        expiry: DaySpan = None,
        dte: WholeSpan = None,
        moneyness: tuple[float | None, float | None] | None = None,
        type: str | None = None,
        strike: Span = None,
        contract: str | Sequence[str] | None = None,
        engine: Engine = "pandas",
        as_of: dt.datetime | None = None,
        manifest: Mapping[str, Any] | None = None,
        missing: Missing = "raise",
        states: Sequence[str] = TAKEN,
    ) -> Any:
        """The bars of an underlying's contracts, of every session from ``start`` to ``end``, both included.

        By session, then contract, then time; indexed by New York time as ``bars`` are, so that a time comes once a
        contract. By default the columns of the files, and what the ticker says: ``expiry``, ``type``, ``strike``;
        ``session``, ``dte``, ``moneyness`` are further ones. Prices: USD a share; ``volume``: contracts. All bars of
        the day, also those from 16:15 on. A minute in which a contract did not trade has no row.

        Filters as of ``option_chain``; ``moneyness`` is of the price that each session's contracts were selected by,
        the same the whole day. Other arguments and errors as of ``bars``, ``manifest`` included.

        >>> lake.option_bars("2024-11-27", expiry="2024-11-29", type="call", columns=["strike", "close"]).shape
        (5, 2)
        """
        wanted = ContractFilter.of(expiry=expiry, dte=dte, moneyness=moneyness, type=type, strike=strike,
                                   contract=contract)  # fmt: skip
        question = Question(subject_of(self._lake, ticker, OPTION_BARS), as_of, manifest, missing, states)
        cut, known = OptionCut.of(question.subject, columns, wanted), one_of("engine", engine, ENGINES)
        return option_rows(question.subject, question.chosen(start, end), cut, known)

    def option_panel(
        self,
        start: Day,
        end: Day | None = None,
        ticker: str = "SPY",
        *,
        columns: Sequence[str] | None = None,
        expiry: DaySpan = None,
        dte: WholeSpan = None,
        moneyness: tuple[float | None, float | None] | None = None,
        type: str | None = None,
        strike: Span = None,
        contract: str | Sequence[str] | None = None,
        engine: Engine = "pandas",
        as_of: dt.datetime | None = None,
        manifest: Mapping[str, Any] | None = None,
        missing: Missing = "raise",
        states: Sequence[str] = TAKEN,
    ) -> Any:
        """Bars of options beside the underlying, with implied volatility and greeks, as ``option_bars`` gives bars.

        ``moneyness`` is of each row's own underlying, and takes no row that has none. A panel counts only if it was
        made of the bars that are held: if not, its session is missing, as one without a panel is. In it, ``iv`` is NaN
        if there is none, and ``no_iv`` says why; of a strike, the option that is not ``itm`` has the iv to be used.

        >>> lake.option_panel("2024-11-27", moneyness=(-0.01, 0.01), columns=["contract", "iv"]).shape
        (8, 2)
        """
        wanted = ContractFilter.of(expiry=expiry, dte=dte, moneyness=moneyness, type=type, strike=strike,
                                   contract=contract)  # fmt: skip
        question = Question(subject_of(self._lake, ticker, OPTION_PANEL), as_of, manifest, missing, states)
        cut, known = OptionCut.of(question.subject, columns, wanted), one_of("engine", engine, ENGINES)
        return option_rows(question.subject, question.chosen(start, end), cut, known)
