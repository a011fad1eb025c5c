"""The chain of one session, for who chooses contracts of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marketlake.errors import BadArgument
from marketlake.options.selection import FrozenRule
from marketlake.research.arguments import Day, day
from marketlake.research.counts import count
from marketlake.research.engines import as_asked
from marketlake.research.options.moment import Moment, moment_ms
from marketlake.research.options.nearest import AGE, Nearest, Target, last_ended, nearest, nearest_expiry
from marketlake.research.pandas_frame import TIME
from marketlake.sessions import SessionHours

MAX_AGE_S = 900.0
"""How old a row may be that ``nearest`` goes by, unless something else is asked for: 15 minutes."""


class SessionChain:
    """The contracts of one session, as ``ResearchLake.option_chain`` gives them.

    ``rule``: what they were selected by, with the price that strikes are held against, ``rule.reference_usd``; None if
    the lake holds no bars of the session that name it. ``len``: how many contracts.
    """

    def __init__(
        self,
        ticker: str,
        hours: SessionHours,
        contracts: pa.Table,
        *,
        columns: Sequence[str],
        engine: str,
        rule: FrozenRule | None,
        panel: Callable[[], tuple[pa.Table, int]],
    ) -> None:
        self.ticker = ticker
        self.session = hours.session
        self.rule = rule
        self._hours, self._rows, self._engine, self._read_panel = hours, contracts, engine, panel
        self._shown = contracts.select(list(columns))

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def __repr__(self) -> str:
        by = f"selected by {self.rule.reference_usd:g} USD" if self.rule else "no selection"
        return f"<option chain of {self.ticker} on {self.session}: {len(self):,} contracts, {by}>"

    @cached_property
    def contracts(self) -> Any:
        """A row each, ascending by ticker, in the engine that was asked for. Nothing in it is of a moment: ``state``
        and ``bars`` were known when the session was over, the rest before it began.

        >>> lake.option_chain("2024-11-27").contracts["state"].value_counts().to_dict()
        {'bars': 7, 'empty': 6, 'not_selected': 4}
        """
        return as_asked([self._shown], self._shown.schema, len(self), self._engine)

    def at(self, at: Moment, *, max_age_s: float | None = None) -> Any:
        """What could be known at a moment: of each contract the last row of the panel that had ended by then.

        ``at``: a time of day in New York, ``"10:30"``, or a datetime with a zone. A row has ended when its bar has: one
        that starts at 10:29 counts at 10:30, a minute later than the next one begins. Beside the panel's columns:
        ``expiry``, ``type``, ``strike``, ``dte``, ``moneyness`` (of the row's own underlying) and ``age_s``, how many
        seconds before ``at`` the bar ended; its last trade may be as much older as a bar is long. Rows older than
        ``max_age_s`` are left out; None: however old. Contracts that the chain was filtered to, no others. Raises
        SessionsMissing without a panel that is of the session's bars.

        >>> lake.option_chain("2024-11-27").at("10:00", max_age_s=60)[["strike", "delta", "age_s"]].values.tolist()
        [[606.0, 0.42, 0.0]]
        """
        at_ms = moment_ms("at", at, self._hours)
        rows = self._known(at_ms, max_age_s)
        return as_asked([rows], rows.schema, rows.num_rows, self._engine)

    def nearest(
        self,
        *,
        at: Moment,
        dte: int | None = None,
        expiry: Day | None = None,
        delta: float | None = None,
        moneyness: float | None = None,
        type: str | None = None,
        max_age_s: float | None = MAX_AGE_S,
    ) -> Nearest | None:
        """The contract that was nearest to what is looked for, by what could be known at a moment.

        The expiry is ``expiry``, or of the selected contracts of the ``type`` that which is nearest to ``dte`` calendar
        days, of two the earlier one: the same at every moment of the session, whether it has traded or not. In it,
        among the rows that ``at(at, max_age_s=max_age_s)`` gives and that have an iv, the contract whose ``delta``, or
        whose ``moneyness``, is the nearest; of several the one with the youngest row. A put's delta may be given
        without its sign; ``delta=-0.25`` alone is a put. A contract that has not traded by then, or not for
        ``max_age_s``, is not chosen, however near it may be: the ``age_s`` of what comes back says how old that is.
        None if no row counts.

        >>> found = lake.option_chain("2024-11-27").nearest(dte=2, delta=0.25, type="call", at="10:01:30")
        >>> found.contract, found.delta, found.age_s
        ('O:SPY241129C00606000', 0.28, 30.0)
        """
        target = Target.of(type, delta, moneyness)
        at_ms = moment_ms("at", at, self._hours)
        known, wanted = self._known(at_ms, max_age_s), self._expiry(dte, expiry, target.type)
        return None if wanted is None else nearest(known, wanted, target, at_ms)

    def _expiry(self, dte: int | None, expiry: Day | None, kind: str) -> dt.date | None:
        if (dte is None) is (expiry is None):
            raise BadArgument("nearest takes one of dte and expiry: give calendar days, such as dte=30, or a date.")
        return nearest_expiry(self._asked_for, kind, count("dte", dte, 0)) if dte is not None else day("expiry", expiry)

    def _known(self, at_ms: int, max_age_s: float | None) -> pa.Table:
        if max_age_s is not None and not max_age_s >= 0:
            raise BadArgument(f"max_age_s={max_age_s!r} is no age: give seconds, or None for any.")
        panel, bar_ms = self._panel
        known = last_ended(panel, bar_ms, at_ms, max_age_s)
        first = [TIME, "contract", "expiry", "type", "strike", "dte", "moneyness", AGE]
        return known.select([*first, *(name for name in known.column_names if name not in first)])

    @cached_property
    def _asked_for(self) -> pa.Table:
        """The contracts that may have bars: the selected ones, as far as that is known, but no adjusted ones."""
        selected = pc.fill_null(self._rows.column("selected"), True)
        return self._rows.filter(pc.and_(selected, self._rows.column("standard")))

    @cached_property
    def _panel(self) -> tuple[pa.Table, int]:
        return self._read_panel()
