"""A certificate in plain words: what is claimed of a session, what was checked, and what it was held against."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec

from marketlake.coverage_page.check_words import OF_CHECKS
from marketlake.partitions.certificate import Certificate, State
from marketlake.quality.checks import Check
from marketlake.quality.comparison import Day, Minutes
from marketlake.sessions import NEW_YORK

OF_STATES = {
    State.COMPLETE: "Complete: every page arrived, no check was broken, and nothing that the bars were held against"
    " contradicts them.",
    State.SUSPECT: "Suspect: published, with the doubts that stand above.",
    State.PROVISIONAL: "Provisional: fetched before the session was final. The audit fetches it again.",
    State.EMPTY: "Empty: the source has no bar of this session.",
}


class CheckLine(msgspec.Struct, frozen=True):
    """A check, its result, and what it says in words."""

    name: str
    ok: bool
    blocking: bool
    count: int
    detail: str
    says: str


class Comparison(msgspec.Struct, frozen=True, rename={"against": "with"}):
    """What the bars were held ``against``, what came of it, and whether it raised no doubt. ``ok`` is None if it could
    not be made.
    """

    against: str
    says: tuple[str, ...]
    ok: bool | None


def in_words(certificate: Certificate) -> list[str]:
    """A sentence a fact."""
    return [*_of_rows(certificate), OF_STATES[certificate.state], *of_origin(certificate)]


def checks_in_words(certificate: Certificate) -> list[CheckLine]:
    """Every check, those that failed first."""
    lines = [_check_line(check) for check in certificate.checks]
    return sorted(lines, key=lambda line: line.ok)


def comparisons_in_words(certificate: Certificate) -> list[Comparison]:
    """What the bars were held against, or why they were not."""
    compared = certificate.reconciliation
    if compared is None:
        return [Comparison("longer bars", ("They were never compared. The audit makes up for it.",), None)]
    made = []
    if compared.minutes is not None:
        made.append(
            Comparison("minute bars", tuple(_of_minutes(compared.minutes)), not compared.findings.get("minute"))
        )
    if compared.day is not None:
        made.append(Comparison("the day bar", tuple(_of_day(compared.day)), not compared.findings.get("day")))
    absent = [
        Comparison("the day bar" if name == "day" else f"{name} bars", (f"Not compared: {reason}.",), None)
        for name, reason in compared.not_compared.items()
    ]
    return [*made, *absent]


def new_york(at_ms: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A Unix ms UTC as New York's date and time."""
    return dt.datetime.fromtimestamp(at_ms / 1000, NEW_YORK).strftime(form)


def _of_rows(certificate: Certificate) -> Iterator[str]:
    if not certificate.rows:
        yield f"No bars: the source was asked {certificate.empty_answers} times and had none."
        return
    first, last = (new_york(at, "%H:%M:%S") for at in (certificate.first_timestamp, certificate.last_timestamp))
    prices = "adjusted for splits" if certificate.adjusted else "unadjusted"
    yield f"{certificate.rows:,} bars, the first at {first} and the last at {last} New York; prices are {prices}."
    yield f"{certificate.volume:,.12g} shares in {certificate.transactions:,} trades."


def of_origin(certificate: Certificate) -> Iterator[str]:
    """From where and when the rows came, and what they are."""
    pages = f"{certificate.pages:,} page{'s' if certificate.pages != 1 else ''}"
    if certificate.pages:
        yield f"Fetched from {certificate.source_host} in {pages} at {new_york(certificate.fetched_at_ms)} New York."
    yield f"Revision {certificate.revision}, published at {new_york(certificate.published_at_ms)} New York."
    if certificate.certified_at_ms > certificate.published_at_ms:
        yield f"Certified anew at {new_york(certificate.certified_at_ms)} New York: same rows, more evidence."
    if certificate.waivers:
        yield f"Accepted by quality.accept: {', '.join(certificate.waivers)}."
    yield f"The rows have the hash {certificate.content_hash}."


def _check_line(check: Check) -> CheckLine:
    words = OF_CHECKS.get(check.name, check.name.replace("_", " "))
    if not check.blocking:
        says = f"{words}: {check.count:,}{f' {check.detail}' if check.detail else ''}"
    elif check.ok:
        says = words
    else:
        says = f"not so: {words}; {check.count:,} times, first {check.detail}"
    return CheckLine(check.name, check.ok, check.blocking, check.count, check.detail, says)


def _of_minutes(minutes: Minutes) -> Iterator[str]:
    yield f"{minutes.agreeing:,} minutes agree; in {minutes.quiet:,} nothing traded in either."
    for count, what in (
        (minutes.short, f"are short, by {minutes.short_trades:,} trades in all"),
        (minutes.missing, f"have a minute bar of {minutes.missing_trades:,} trades in all, and no bar here"),
        (minutes.extra, f"hold more than their minute bar, by {minutes.extra_trades:,} trades in all"),
    ):
        if count:
            yield f"{count:,} minutes {what}."
    if minutes.volume_share is not None:
        yield f"{minutes.volume_share:.3%} of the minute bars' volume is in the bars."
    if minutes.trades_share is not None:
        yield f"{minutes.trades_share:.3%} of their trades are."


def _of_day(day: Day) -> Iterator[str]:
    if day.volume_ratio is None:
        yield "The day bar does not say its volume."
    else:
        yield f"The bars hold {day.volume_ratio:.3%} of the day bar's volume, which also has the closing auction."
    if day.trades_ratio is not None:
        yield f"They hold {day.trades_ratio:.3%} of its trades."
