"""From when on the rows of a session no longer change of themselves."""

from __future__ import annotations

from marketlake.options.hours import trading_ms
from marketlake.rows.spec import DatasetSpec
from marketlake.sessions import SessionHours, final_from

DELAY_MS = 15 * 60_000
"""By how much the figures of some plans are late."""


def settled_ms(spec: DatasetSpec, hours: SessionHours) -> int:
    """Unix ms UTC: 11:00 New York on the day after; of what is shown live 16:30, or 13:30 on an early close.

    That is when trading in options has ended for those who see it late, too.
    """
    if spec.live:
        return trading_ms(hours)[1] + DELAY_MS
    return int(final_from(hours.session).timestamp() * 1000)
