"""The verdict over a range: its partitions are read, whatever the runs say."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from local_airflow.backfill.range import Range
from marketlake.console import COMPLETE, INCOMPLETE
from marketlake.coverage.coverage import Coverage
from marketlake.partitions.certificate import Certificate, State
from marketlake.polygon.hosts import is_vendor

_GOOD = frozenset({State.COMPLETE, State.SUSPECT, State.EMPTY})


def verdict(coverage: Coverage, wanted: Range, reasons: dict[dt.date, str], say: Callable[[str], None]) -> int:
    """Judge the partitions of the range, whatever the runs say: each is read whole and held against its
    certificate. COMPLETE or INCOMPLETE.
    """
    certificates, bad = _judge(coverage, wanted, reasons)
    hosts = {
        day: certificate.source_host
        for day, certificate in certificates.items()
        if not is_vendor(certificate.source_host)
    }
    if hosts and len(hosts) < len(certificates):
        for day, host in hosts.items():
            bad.setdefault(day, f"beside bars of the vendor, its own are from {host}: remove that partition")
    kept = sorted(reasons.keys() - bad.keys())
    for day in kept:
        say(f"{coverage.spec.key(coverage.ticker, day)}  kept its old partition; the new fetch failed: {reasons[day]}")
    for day, reason in sorted(bad.items()):
        say(f"{coverage.spec.key(coverage.ticker, day)}  FAILED  {reason}")
    suspect = {day: certificate for day, certificate in certificates.items() if certificate.state is State.SUSPECT}
    for day, certificate in sorted(suspect.items()):
        say(f"{coverage.spec.key(coverage.ticker, day)}  suspect: {'; '.join(certificate.suspect_because)}")
    good = len(wanted.sessions) - len(bad)
    say(f"{coverage.title}: {good} of {len(wanted.sessions)} sessions have their partition under {coverage.where}")
    for line in _counted(certificates, kept, hosts):
        say(f"{coverage.title}: {line}")
    if bad.keys() & reasons.keys():
        say(f"once the cause is gone:  make backfill {wanted}  tries the failed ones again")
    return INCOMPLETE if bad else COMPLETE


def _counted(
    certificates: Mapping[dt.date, Certificate], kept: Sequence[dt.date], hosts: Mapping[dt.date, str]
) -> Iterator[str]:
    """What is to be known of some of the sessions that have their partition."""
    states = Counter(certificate.state for certificate in certificates.values())
    if suspect := states[State.SUSPECT]:
        yield f"{suspect} of them are suspect: published, and looked at again by the audit"
    if empty := states[State.EMPTY]:
        yield f"{empty} of them are empty: the API had nothing of them, each time that it was asked"
    if kept:
        yield f"{len(kept)} of them kept what they had, since their new fetch failed"
    if hosts:
        yield f"NOT THE VENDOR'S: bars of this range were served by {', '.join(sorted(set(hosts.values())))}"


def _judge(
    coverage: Coverage, wanted: Range, reasons: dict[dt.date, str]
) -> tuple[dict[dt.date, Certificate], dict[dt.date, str]]:
    """The certificates that count, by session, and what is wrong with the sessions that do not pass."""
    certificates: dict[dt.date, Certificate] = {}
    bad: dict[dt.date, str] = {}
    for session, held in coverage.inspect_all(wanted.sessions).items():
        certificate = held.certificate if held else None
        again = f"make backfill {wanted.of(session, session)} REFETCH=1"
        if certificate is None:
            what = "there is no partition" if held is None else "its partition does not match its certificate"
            bad[session] = reasons.get(session) or f"its run did not fail, but {what}: {again}"
            continue
        certificates[session] = certificate
        if certificate.state not in _GOOD:
            bad[session] = f"the partition is {certificate.state.value}: {again}"
    return certificates, bad
