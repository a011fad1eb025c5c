"""The chain of one session, for who chooses contracts of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import pyarrow as pa

from marketlake.errors import BadArgument
from marketlake.options.selection import FrozenRule
from marketlake.research.arguments import Day, day
from marketlake.research.engines import as_asked
from marketlake.research.options.moment import Moment, moment_ms
from marketlake.research.options.nearest import AGE, Nearest, Target, last_ended, nearest
from marketlake.research.pandas_frame import TIME
from marketlake.sessions import SessionHours

MAX_AGE_S = 900.0
"""How old a row may be that ``nearest`` goes by, unless something else is asked for: 15 minutes."""


class SessionChain:
    """The contracts of one session, as ``ResearchLake.option_chain`` gives them.

    ``rule``: what they were selected by, with the price that strikes are held against, ``rule.reference_usd``; None if
    the lake holds no selection of the session. ``len``: how many contracts.
    """

    def __init__(
        self,
        ticker: str,
        hours: SessionHours,
        contracts: pa.Table,
        *,
        engine: str,
        rule: FrozenRule | None,
        panel: Callable[[], tuple[pa.Table, int]],
    ) -> None:
        self.ticker = ticker
        self.session = hours.session
        self.rule = rule
        self._hours, self._rows, self._engine, self._read_panel = hours, contracts, engine, panel

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def __repr__(self) -> str:
        by = f"selected by {self.rule.reference_usd:g} USD" if self.rule else "no selection"
        return f"<option chain of {self.ticker} on {self.session}: {len(self):,} contracts, {by}>"

    @cached_property
    def contracts(self) -> Any:
        """A row each, ascending by ticker, in the engine that was asked for. Nothing in it is of a moment: ``state``
        and ``bars`` were known when the session was over, the rest before it began.
        """
        return as_asked([self._rows], self._rows.schema, len(self), self._engine)

    def at(self, at: Moment, *, max_age_s: float | None = None) -> Any:
        """What could be known at a moment: of each contract the last row of the panel that had ended by then.

        ``at``: a time of day in New York, ``"10:30"``, or a datetime with a zone. A row has ended when its bar has: one
        that starts at 10:29 counts at 10:30, a minute later than the next one begins. Beside the panel's columns:
        ``expiry``, ``type``, ``strike``, ``dte``, ``moneyness`` (of the row's own underlying) and ``age_s``, how many
        seconds before ``at`` the bar ended; its last trade may be as much older as a bar is long. Rows older than
        ``max_age_s`` are left out; None: however old. Contracts that the chain was filtered to, no others. Raises
        SessionsMissing without a panel that is of the session's bars.

        >>> lake.option_chain("2024-11-27").at("10:01")[["contract", "strike", "iv", "age_s"]]
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

        Among the rows that ``at(at, max_age_s=max_age_s)`` gives, those of the ``type`` that have an iv. Of these the
        expiry that is nearest to ``dte`` calendar days, or ``expiry``; of that the contract whose ``delta``, or whose
        ``moneyness``, is the nearest. A put's delta may be given without its sign; ``delta=-0.25`` alone is a put. What
        has not traded by then, or not for ``max_age_s``, is not chosen, however near it would be: ``dte`` and ``age_s``
        of what comes back say how near it is and how old. None if no row counts.

        >>> lake.option_chain("2024-11-27").nearest(dte=2, delta=0.25, type="call", at="10:01").contract
        """
        target = Target.of(dte, None if expiry is None else day("expiry", expiry), type, delta, moneyness)
        at_ms = moment_ms("at", at, self._hours)
        return nearest(self._known(at_ms, max_age_s), target, at_ms)

    def _known(self, at_ms: int, max_age_s: float | None) -> pa.Table:
        if max_age_s is not None and not max_age_s >= 0:
            raise BadArgument(f"max_age_s={max_age_s!r} is no age: give seconds, or None for any.")
        panel, bar_ms = self._panel
        known = last_ended(panel, bar_ms, at_ms, max_age_s)
        first = [TIME, "contract", "expiry", "type", "strike", "dte", "moneyness", AGE]
        return known.select([*first, *(name for name in known.column_names if name not in first)])

    @cached_property
    def _panel(self) -> tuple[pa.Table, int]:
        return self._read_panel()
