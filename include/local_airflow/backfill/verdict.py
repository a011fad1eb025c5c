"""The verdict over a range: its partitions are read, whatever the runs say."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from local_airflow.backfill.range import Range
from marketlake.console import COMPLETE, INCOMPLETE
from marketlake.coverage.joint import Certificates, JointCoverage, disagreements, state_of, suspect_because
from marketlake.partitions.certificate import State
from marketlake.partitions.store import HeldPartition
from marketlake.polygon.hosts import is_vendor
from marketlake.rows.spec import PartitionKey

_GOOD = frozenset({State.COMPLETE, State.SUSPECT, State.EMPTY})


@dataclass(frozen=True)
class _Finding:
    """A session: its certificates by dataset, and what is wrong with each part, in words; nothing if it passes."""

    certificates: Certificates
    wrong: tuple[str, ...]
    is_certified: bool

    @property
    def other_host(self) -> str:
        """Who served a part of it, if that was not the vendor."""
        hosts = (certificate.source_host for certificate in self.certificates.values() if certificate)
        return next((host for host in hosts if not is_vendor(host)), "")


def verdict(coverage: JointCoverage, wanted: Range, reasons: dict[dt.date, str], say: Callable[[str], None]) -> int:
    """Judge the partitions of the range, whatever the runs say: each is read whole and held against its
    certificate. COMPLETE or INCOMPLETE.
    """
    findings = _judge(coverage, wanted)
    bad = {day: _reason(coverage, wanted, day, finding, reasons) for day, finding in findings.items() if finding.wrong}
    counted = {day: finding.certificates for day, finding in findings.items() if all(finding.certificates.values())}
    hosts = {day: findings[day].other_host for day in counted if findings[day].other_host}
    if hosts and len(hosts) < len(counted):
        for day, host in hosts.items():
            bad.setdefault(day, f"beside bars of the vendor, its own are from {host}: remove that partition")
    kept = sorted(reasons.keys() - bad.keys())
    for day in kept:
        say(f"{_named(coverage, day)}  kept its old partition; the new fetch failed: {reasons[day]}")
    for day, reason in sorted(bad.items()):
        say(f"{_named(coverage, day)}  FAILED  {reason}")
    for day, certificates in sorted(counted.items()):
        if state_of(certificates) is State.SUSPECT:
            say(f"{_named(coverage, day)}  suspect: {'; '.join(suspect_because(certificates))}")
    good = len(wanted.sessions) - len(bad)
    have = "their partition" if len(coverage.parts) == 1 else f"all of their partitions ({_parts(coverage)})"
    say(f"{coverage.title}: {good} of {len(wanted.sessions)} sessions have {have} under {coverage.where}")
    for line in _counted(counted, kept, hosts):
        say(f"{coverage.title}: {line}")
    if bad.keys() & reasons.keys():
        say(f"once the cause is gone:  make backfill {wanted}  tries the failed ones again")
    return INCOMPLETE if bad else COMPLETE


def _named(coverage: JointCoverage, session: dt.date) -> PartitionKey:
    return PartitionKey(coverage.name, coverage.ticker, session)


def _parts(coverage: JointCoverage) -> str:
    return ", ".join(_words(part.spec.name) for part in coverage.parts)


def _words(dataset: str) -> str:
    return dataset.replace("_", " ")


def _counted(
    counted: Mapping[dt.date, Certificates], kept: Sequence[dt.date], hosts: Mapping[dt.date, str]
) -> Iterator[str]:
    """What is to be known of some of the sessions that have their partition."""
    states = Counter(state_of(certificates) for certificates in counted.values())
    if suspect := states[State.SUSPECT]:
        yield f"{suspect} of them are suspect: published, and looked at again by the audit"
    if empty := states[State.EMPTY]:
        yield f"{empty} of them are empty: the API had nothing of them, each time that it was asked"
    if kept:
        yield f"{len(kept)} of them kept what they had, since their new fetch failed"
    if hosts:
        yield f"NOT THE VENDOR'S: bars of this range were served by {', '.join(sorted(set(hosts.values())))}"


def _judge(coverage: JointCoverage, wanted: Range) -> dict[dt.date, _Finding]:
    """Of each session: the certificates that count, and what is wrong."""
    held = {part.spec.name: part.inspect_all(wanted.sessions) for part in coverage.parts}
    return {day: _judge_one({name: found[day] for name, found in held.items()}) for day in wanted.sessions}


def _judge_one(held: Mapping[str, HeldPartition | None]) -> _Finding:
    certificates = {name: part.certificate if part else None for name, part in held.items()}
    states = {name: certificate.state for name, certificate in certificates.items() if certificate}
    unfit = {name: f"the partition is {state.value}" for name, state in states.items() if state not in _GOOD}
    other = {name: f"it is made of other {_words(of)}" for name, of in disagreements(certificates).items()}
    absent = {
        name: "there is no partition" if held[name] is None else "its partition does not match its certificate"
        for name, certificate in certificates.items()
        if certificate is None
    }
    wrong = {**other, **unfit, **absent}
    alone = len(held) == 1
    lines = (text if alone else f"{_words(name)}: {text}" for name, text in wrong.items())
    return _Finding(certificates, tuple(lines), is_certified=not absent)


def _reason(
    coverage: JointCoverage, wanted: Range, day: dt.date, finding: _Finding, reasons: Mapping[dt.date, str]
) -> str:
    """Why a session does not pass, and what to do if its run did not fail."""
    what, again = "; ".join(finding.wrong), f"make backfill {wanted.of(day, day)} REFETCH=1"
    alone, reason = len(coverage.parts) == 1, reasons.get(day)
    if finding.is_certified and (alone or not reason):
        return f"{what}: {again}"
    if not reason:
        return f"its run did not fail, but {what}: {again}"
    return reason if alone else f"{reason.rstrip('.')} ({what})"
