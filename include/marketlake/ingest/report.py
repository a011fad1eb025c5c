"""What became of one session: small enough to travel between tasks, and logged."""

from __future__ import annotations

import enum
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from marketlake.dataset_names import SECOND_BARS, title
from marketlake.partitions.certificate import Certificate, State
from marketlake.polygon.hosts import is_vendor
from marketlake.quality.reconciliation import Reconciliation

_log = logging.getLogger(__name__)


class Outcome(enum.StrEnum):
    """What publishing a fetch did."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    RENEWED = "renewed"
    REVISED = "revised"


@dataclass(frozen=True)
class Report:
    """What became of one session; small enough to travel between tasks."""

    ticker: str
    session: str
    outcome: str
    state: str
    rows: int
    revision: int
    content_hash: str
    source_host: str
    suspect_because: tuple[str, ...] = ()
    changes: str = ""
    dataset: str = SECOND_BARS

    @property
    def title(self) -> str:
        """What it is a report of, in words."""
        return title(self.dataset, f"{self.ticker} {self.session}")

    def as_dict(self) -> dict[str, str | int | list[str]]:
        """As plain JSON values."""
        return asdict(self) | {"suspect_because": list(self.suspect_because)}

    @classmethod
    def of(cls, outcome: Outcome, certificate: Certificate) -> Report:
        """The report of a certificate."""
        return cls(
            ticker=certificate.ticker,
            session=str(certificate.session),
            outcome=outcome.value,
            state=certificate.state.value,
            rows=certificate.rows,
            revision=certificate.revision,
            content_hash=certificate.content_hash,
            source_host=certificate.source_host,
            suspect_because=certificate.suspect_because if certificate.state is State.SUSPECT else (),
            changes=str(certificate.changes or "") if outcome is Outcome.REVISED else "",
            dataset=certificate.dataset,
        )

    @classmethod
    def joined(cls, steps: Sequence[Report]) -> Report:
        """Of the steps of one session, the last one's, with the most that any of them did, and what each has to say."""
        most = max(steps, key=lambda step: _LEAST_FIRST.index(step.outcome))
        consequences = {f"{step.dataset} is suspect" for step in steps}
        doubts = dict.fromkeys(doubt for step in steps for doubt in step.suspect_because if doubt not in consequences)
        changes = "; ".join(f"{step.dataset}: {step.changes}" for step in steps if step.changes)
        return replace(steps[-1], outcome=most.outcome, suspect_because=tuple(doubts), changes=changes)


_LEAST_FIRST = (Outcome.UNCHANGED, Outcome.RENEWED, Outcome.REVISED, Outcome.CREATED)


def log_report(report: Report, compared: Reconciliation | None) -> None:
    """Log what became of a session, and how its rows compare with longer bars."""
    _log_comparison(report, compared)
    if report.changes:
        _log.warning("%s: %s", report.title, report.changes)
    _log.info(
        "%s: %s, %s, %d rows, revision %d, content %s, from %s",
        report.title,
        report.outcome,
        report.state,
        report.rows,
        report.revision,
        report.content_hash[:12],
        report.source_host if is_vendor(report.source_host) else f"{report.source_host} (NOT THE VENDOR)",
    )


def _log_comparison(report: Report, compared: Reconciliation | None) -> None:
    name = report.title
    for reason in report.suspect_because:
        _log.warning("%s: suspect: %s", name, reason)
    if compared is None:
        return
    if compared.minutes:
        minutes = compared.minutes
        _log.info(
            "%s: against the minute bars: %d minutes agree, %d short (by %d trades), %d missing, %d extra;"
            " %s of their trades, %s of their volume",
            name, minutes.agreeing, minutes.short, minutes.short_trades, minutes.missing, minutes.extra,
            _percent(minutes.trades_share), _percent(minutes.volume_share),
        )  # fmt: skip
    if compared.day:
        _log.info("%s: %s of the day bar's volume", name, _percent(compared.day.volume_ratio))
    for part, reason in compared.not_compared.items():
        _log.info("%s: not compared with %s bars: %s", name, part, reason)


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{share:.3%}"
