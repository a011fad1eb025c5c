"""The verdict over a range: its partitions are read, whatever the runs say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from local_airflow.asked_range import Range
from local_airflow.exit_codes import COMPLETE, INCOMPLETE
from marketlake.lake import Lake
from marketlake.model import State, is_vendor

_GOOD = frozenset({State.COMPLETE, State.SUSPECT, State.EMPTY})


def verdict(lake: Lake, ticker: str, wanted: Range, reasons: dict[dt.date, str], say: Callable[[str], None]) -> int:
    """Judge the partitions of the range, whatever the runs say: each is read whole and held against its
    certificate. COMPLETE or INCOMPLETE."""
    bad: dict[dt.date, str] = {}
    foreign: dict[dt.date, str] = {}
    for session in wanted.sessions:
        held = lake.partitions.held(ticker, session)
        certificate = held.certificate if held else None
        if certificate is not None and not is_vendor(certificate.source_host):
            foreign[session] = certificate.source_host
        if certificate is None:
            what = "there is no partition" if held is None else "its partition does not match its certificate"
            bad[session] = reasons.get(session) or (
                f"its run did not fail, but {what}: make backfill FROM={session} TO={session} REFETCH=1"
            )
        elif certificate.state not in _GOOD:
            bad[session] = (
                f"the partition is {certificate.state.value}: make backfill FROM={session} TO={session} REFETCH=1"
            )
        elif session in reasons:
            say(f"{ticker} {session}  kept its old partition; the new fetch failed: {reasons[session]}")
    if foreign and len(foreign.keys() | bad.keys()) < len(wanted.sessions):
        bad |= {
            day: f"beside bars of the vendor, its own are from {host}: remove that partition"
            for day, host in foreign.items()
        }
    for session, reason in sorted(bad.items()):
        say(f"{ticker} {session}  FAILED  {reason}")
    good = len(wanted.sessions) - len(bad)
    say(f"{ticker}: {good} of {len(wanted.sessions)} sessions have their partition under {lake.storage.root}")
    if foreign:
        say(f"{ticker}: NOT THE VENDOR'S: bars of this range were served by {', '.join(sorted(set(foreign.values())))}")
    if bad:
        say(f"once the cause is gone:  make backfill {wanted}  tries the failed ones again")
    return INCOMPLETE if bad else COMPLETE
