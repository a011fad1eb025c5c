"""Judging a snapshot: is it of this underlying and this session, and does it hold what one would expect?

What names another day, another underlying or a contract twice is refused. What may only be incomplete makes it suspect,
and is kept: nobody can ask for it again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Set as AbstractSet

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.options.symbol import parse
from marketlake.quality.chain_checks import LOST, agreement, compared, unequal_expiries
from marketlake.quality.checks import Check, flag, observed
from marketlake.rows.option_snapshot import STAMPS
from marketlake.sessions import NEW_YORK, SessionHours

_NS_PER_S = 1_000_000_000
_SHOWN = 5


def check_snapshot(rows: pa.Table, hours: SessionHours) -> list[Check]:
    """Every check of the contracts of one session, blocking ones first. They ascend by ``contract``."""
    if not rows.num_rows:
        return [agreement(rows), _day(rows, hours), *_reports(rows)]
    contract, fetched = rows.column("contract"), rows.column("fetched_at").to_numpy()
    masks = {
        "several_underlyings": pc.not_equal(rows.column("underlying"), rows.column("underlying")[0]),
        "expired": pc.less(rows.column("expiration_date"), pa.scalar(hours.session)),
        "strike_not_positive": pc.invert(pc.greater(rows.column("strike_price"), 0.0)),
        "open_interest_of_this_day": pc.greater_equal(rows.column("open_interest_date"), pa.scalar(hours.session)),
        "fetched_on_another_day": (fetched < hours.regular_start_ms) | (fetched >= hours.day_end_ms),
        "duplicate_contract": compared(contract, pc.equal),
        "descending": compared(contract, pc.less),
    }
    return [
        *(flag(rows, name, np.asarray(mask)) for name, mask in masks.items()),
        agreement(rows),
        _day(rows, hours),
        *_reports(rows),
    ]


def doubts(rows: pa.Table, before: AbstractSet[str] | None, session: dt.date) -> list[str]:
    """What makes a snapshot suspect, a line each. ``before``: the contracts of the session before; None: not known.

    Those that expire on the session are left out of it: the vendor may take them off once they have.
    """
    found = []
    if lopsided := unequal_expiries(_of_own_root(rows)):
        more = f" and {len(lopsided) - _SHOWN} more" if len(lopsided) > _SHOWN else ""
        found.append(f"as many calls as puts are shown of every expiry but {', '.join(lopsided[:_SHOWN])}{more}")
    due = {name for name in before or () if parse(name).expiration > session}
    gone = sorted(due.difference(rows.column("contract").to_pylist()))
    expiries = {parse(name).expiration for name in gone} - set(rows.column("expiration_date").unique().to_pylist())
    if expiries or len(gone) > LOST * len(due):
        whole = f", among them all that expire on {min(expiries)}" if expiries else ""
        found.append(
            f"{len(gone):,} of {len(due):,} contracts of the session before that have not expired are not shown, first"
            f" {gone[0]}{whole}"
        )
    return found


def _of_own_root(rows: pa.Table) -> pa.Table:
    """Without adjusted contracts, of which there need not be as many calls as puts."""
    root = pc.replace_substring(rows.column("underlying"), ".", "")
    name = pc.utf8_slice_codeunits(rows.column("contract"), 2, None)
    digits = pc.utf8_length(name)
    return rows.filter(pc.equal(pc.subtract(digits, pc.utf8_length(root)), 15))


def _day(rows: pa.Table, hours: SessionHours) -> Check:
    """Whether the newest figure is of the session: nothing else that the vendor shows says which day it is."""
    times = [pc.max(rows.column(name)).as_py() for name in STAMPS]
    newest = max((time for time in times if time is not None), default=None)
    if newest is None:
        return Check("day_not_told", ok=False, blocking=True, count=rows.num_rows, detail="no figure has a time")
    at = dt.datetime.fromtimestamp(newest / _NS_PER_S, NEW_YORK)
    ok = at.date() == hours.session
    detail = "" if ok else f"the newest figure is of {at:%Y-%m-%d %H:%M} New York"
    return Check("day_not_told", ok=ok, blocking=True, count=0 if ok else rows.num_rows, detail=detail)


def _reports(rows: pa.Table) -> list[Check]:
    """Facts worth knowing that never block: what the vendor shows is kept as it shows it."""
    absent = {name: rows.column(name).null_count for name in ("open_interest", "implied_volatility", "delta", "bid")}
    delta, open_interest = pc.abs(rows.column("delta")), rows.column("open_interest")
    return [
        *(observed(f"without_{name}", count) for name, count in absent.items()),
        observed("delta_beyond_one", pc.sum(pc.greater(delta, 1.0)).as_py() or 0),
        observed("negative_open_interest", pc.sum(pc.less(open_interest, 0)).as_py() or 0),
    ]
