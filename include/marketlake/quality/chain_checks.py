"""Judging a chain: may this list of contracts enter the lake, and is it what one would expect?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Set as AbstractSet

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.errors import MalformedPage
from marketlake.options.symbol import CALL, first_disagreement, parse
from marketlake.quality.checks import Check, flag, observed

_SHRINKING = 0.8
"""A chain of less than this share of the previous session's has lost something, or the list was cut off."""
_SHOWN = 5
LOST = 0.05
"""Strikes without open interest are taken off the list now and then; a page of a thousand is more than that."""
_WEEKLIES_FROM, _DAYS_TO_WEEKLY, _DAYS_TO_MONTHLY = dt.date(2016, 9, 1), 7, 45
"""Since then SPY has had an expiry each Monday, Wednesday and Friday at least; before, at least one a month."""


def check_chain(chain: pa.Table, session: dt.date) -> list[Check]:
    """Every check of the contracts of one session, blocking ones first. They ascend by ``contract``."""
    contract = chain.column("contract")
    masks = {
        "several_underlyings": pc.not_equal(chain.column("underlying"), chain.column("underlying")[0]),
        "expired": pc.less(chain.column("expiration_date"), pa.scalar(session)),
        "strike_not_positive": pc.invert(pc.greater(chain.column("strike_price"), 0.0)),
        "shares_not_positive": pc.less_equal(chain.column("shares_per_contract"), 0),
        "no_near_expiry": _all_far(chain, session),
        "duplicate_contract": compared(contract, pc.equal),
        "descending": compared(contract, pc.less),
    } if chain.num_rows else {}  # fmt: skip
    return [
        *(flag(chain, name, np.asarray(mask)) for name, mask in masks.items()),
        agreement(chain),
        *_reports(chain),
    ]


def require_continuity(listed: pa.Table, before: AbstractSet[str], session: dt.date, what: str) -> None:
    """Raise MalformedPage for a chain that lacks what was listed on the session before and has not expired.

    That is how a lost page shows, and an ``as_of`` that was not honoured. ``what``: of which chain, in messages.
    """
    due = sorted(name for name in before if parse(name).expiration >= session)
    names = pc.is_in(pa.array(due, pa.string()), listed.column("contract").combine_chunks()).to_pylist()
    gone = [name for name, is_there in zip(due, names, strict=True) if not is_there]
    if not gone:
        return
    expiries = {parse(name).expiration for name in due} - set(listed.column("expiration_date").unique().to_pylist())
    if not expiries and len(gone) <= LOST * len(due):
        return
    whole = f", among them all that expire on {min(expiries)}" if expiries else ""
    raise MalformedPage(
        f"{what} lacks {len(gone):,} of {len(due):,} contracts that were listed on the session before and have not"
        f" expired, first {gone[0]}{whole}: a page is lost, or as_of was not honoured. Fetch it again later; if it is"
        " the session before that is wrong, fetch that one again."
    )


def doubts(chain: pa.Table, before: AbstractSet[str] | None) -> list[str]:
    """What makes a chain suspect, a line each. ``before``: the contracts of the previous session; None: not known."""
    found = []
    lopsided = unequal_expiries(chain.filter(chain.column("standard")))
    if lopsided:
        more = f" and {len(lopsided) - _SHOWN} more" if len(lopsided) > _SHOWN else ""
        found.append(f"as many calls as puts are listed of every expiry but {', '.join(lopsided[:_SHOWN])}{more}")
    still = len(before) * _SHRINKING if before else 0
    if before and chain.num_rows < still:
        found.append(f"{chain.num_rows:,} contracts are listed, of {len(before):,} on the session before")
    return found


def _all_far(chain: pa.Table, session: dt.date) -> np.ndarray:
    """A mask of all rows if not one expires soon: then it is the chain of another date."""
    days = _DAYS_TO_WEEKLY if session >= _WEEKLIES_FROM else _DAYS_TO_MONTHLY
    nearest = pc.min(chain.column("expiration_date")).as_py()
    return np.full(chain.num_rows, nearest > session + dt.timedelta(days=days))


def compared(contract: pa.ChunkedArray, compare: object) -> np.ndarray:
    """A mask of the rows that compare so with the one before."""
    names = contract.combine_chunks()
    mask = np.zeros(len(names), np.bool_)
    mask[1:] = compare(names[1:], names[:-1]).to_numpy(zero_copy_only=False)  # type: ignore[operator]
    return mask


def agreement(chain: pa.Table) -> Check:
    """Whether each ticker says what the other fields say."""
    found = first_disagreement(chain, chain.column("underlying")[0].as_py()) if chain.num_rows else None
    return Check("ticker_disagrees", ok=found is None, blocking=True, count=int(found is not None), detail=found or "")


def _reports(chain: pa.Table) -> list[Check]:
    adjusted = int(pc.sum(pc.invert(chain.column("standard"))).as_py() or 0)
    new = int(pc.sum(pc.invert(chain.column("listed_before"))).as_py() or 0)
    strikes = chain.column("strike_price").to_numpy()
    return [
        observed("contracts_not_standard", adjusted),
        observed("contracts_listed_anew", new),
        observed("fractional_strikes", int((np.floor(strikes) != strikes).sum())),
    ]


def unequal_expiries(contracts: pa.Table) -> list[str]:
    """The expiries of which calls and puts are not as many, ascending."""
    side = pc.if_else(pc.equal(contracts.column("contract_type"), CALL), 1, -1)
    sums = pa.table({"expiry": contracts.column("expiration_date"), "side": side}).group_by("expiry").aggregate(
        [("side", "sum")]
    )  # fmt: skip
    unequal = sums.filter(pc.not_equal(sums.column("side_sum"), 0))
    return [str(day) for day in sorted(unequal.column("expiry").to_pylist())]
