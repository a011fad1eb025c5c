"""One partition file held against its seal, its certificate, its place and the calendar."""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.datasets.dataset import Dataset, EmptyRule
from marketlake.datasets.finality import settled_ms
from marketlake.errors import DamagedPartition
from marketlake.partitions.certificate import Certificate, Hours, State
from marketlake.partitions.parquet_file import certificate_in, table_in
from marketlake.partitions.seal import Seal, seal_of
from marketlake.polygon.hosts import source_kind
from marketlake.quality.checks import WAIVABLE, Check, max_silence_in
from marketlake.rows.format import RowFormat
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import SessionHours
from marketlake.verify.findings import Finding, Kind

Problem = tuple[Kind, str]
_PARQUET_END = b"PAR1"
_VOLUME_TOLERANCE = 1e-12  # relative: another machine may add the same numbers in another order


@dataclass(frozen=True)
class Examination:
    """What one file holds, and what is wrong with it. ``state``, ``source`` and ``certificate`` are None if nothing of
    its certificate can be believed; ``source``: whose bars, and whether adjusted.
    """

    key: PartitionKey
    findings: tuple[Finding, ...]
    rows: int = 0
    size_bytes: int = 0
    state: State | None = None
    source: tuple[str, bool] | None = None
    certificate: Certificate | None = None


def examine(data: bytes, dataset: Dataset, key: PartitionKey, hours: SessionHours | None) -> Examination:
    """Examine a partition's bytes. ``hours`` are the calendar's; None on a day that is no session."""
    certificate = certificate_in(io.BytesIO(data))
    try:
        table = table_in(data)
    except DamagedPartition as exc:
        problem = (Kind.DAMAGED, _what_is_left(data) or str(exc))
        return Examination(key, _findings(key, [problem]), size_bytes=len(data))
    problems = _problems(data, table, certificate, dataset, key)
    if hours is None:
        problems.append((Kind.NO_SESSION, "the exchange did not trade on that day"))
    elif certificate is not None and not problems:
        problems += _against_calendar(certificate, hours)
    believed = certificate if not problems else None
    return Examination(
        key,
        _findings(key, problems),
        rows=table.num_rows,
        size_bytes=len(data),
        state=believed.state if believed else None,
        source=(source_kind(believed.source_host), believed.adjusted) if believed else None,
        certificate=believed,
    )


def _findings(key: PartitionKey, problems: list[Problem]) -> tuple[Finding, ...]:
    return tuple(Finding(key.ticker, key.session, kind, detail, dataset=key.dataset) for kind, detail in problems)


def _what_is_left(data: bytes) -> str:
    """What a file without a readable table is, if its ends alone show it."""
    if not data:
        return "the file is empty"
    if not data.endswith(_PARQUET_END):
        return f"cut off or overwritten: {len(data)} bytes that do not end as a Parquet file does"
    return ""


def _problems(
    data: bytes, table: pa.Table, certificate: Certificate | None, dataset: Dataset, key: PartitionKey
) -> list[Problem]:
    """Outermost first; the first failure hides the ones inside."""
    rows = dataset.spec.rows
    if not table.schema.equals(rows.schema, check_metadata=False):
        return [(Kind.FOREIGN_SCHEMA, _schema_difference(table.schema, rows.schema))]
    seal = seal_of(data)
    if seal is Seal.BROKEN:
        still = _what_still_holds(table, certificate, rows)
        return [(Kind.DAMAGED, f"its bytes are not those that were published; {still}")]
    if certificate is None:
        return [(Kind.UNCERTIFIED, "its footer has no certificate that can be read")]
    if certificate.key != key:
        return [(Kind.MISPLACED, f"it holds {certificate.key}")]
    if not _rows_are_its_own(table, certificate, rows):
        return [(Kind.ROWS_DIFFER, _shown(_untrue(certificate, table, rows)) or "content_hash differs")]
    problems = [
        *((Kind.CLAIM_DIFFERS, _shown([claim])) for claim in _untrue(certificate, table, rows)),
        *((Kind.CHECKS_DIFFER, detail) for detail in _checks(certificate, table, dataset)),
        *((Kind.STATE_DIFFERS, detail) for detail in _state(certificate, dataset)),
    ]
    if not problems and seal is Seal.ABSENT:
        problems.append((Kind.UNSEALED, "it has no seal: an earlier version wrote it, or its footer was changed"))
    return problems


def _rows_are_its_own(table: pa.Table, certificate: Certificate | None, rows: RowFormat) -> bool:
    try:
        return certificate is not None and rows.content_hash(table) == certificate.content_hash
    except (pa.ArrowException, KeyError):
        return False


def _what_still_holds(table: pa.Table, certificate: Certificate | None, rows: RowFormat) -> str:
    if certificate is None:
        return "its certificate cannot be read"
    if _rows_are_its_own(table, certificate, rows):
        return "its rows are still those of its certificate"
    untrue = _shown(_untrue(certificate, table, rows))
    return f"its rows are not those of its certificate: {untrue or 'content_hash differs'}"


def _schema_difference(schema: pa.Schema, wanted: pa.Schema) -> str:
    def described(field: pa.Field) -> str:
        return f"{field.name} {field.type}{'' if field.nullable else ' not null'}"

    actual, expected = [described(field) for field in schema], [described(field) for field in wanted]
    if sorted(actual) == sorted(expected):
        return f"its columns stand in another order: {', '.join(schema.names)}"
    odd = [f"{name} instead of nothing" for name in actual if name not in expected]
    lacking = [f"no {name}" for name in expected if name not in actual]
    return ", ".join([*odd, *lacking]) or "a column stands in it twice"


def _untrue(certificate: Certificate, table: pa.Table, rows: RowFormat) -> list[tuple[str, object, object]]:
    """What the certificate says of the rows, but is not so: name, actual value, claimed value."""
    actual = {"schema_version": rows.version, "rows": table.num_rows, **asdict(rows.facts(table))}
    untrue = [(name, value, getattr(certificate, name)) for name, value in actual.items()]
    if rows.subject:
        tickers = pc.unique(table.column(rows.subject)).to_pylist() or [certificate.ticker]
        untrue.append(("ticker", ", ".join(tickers), certificate.ticker))
    return [(name, value, claimed) for name, value, claimed in untrue if not _same(value, claimed)]


def _same(value: object, claimed: object) -> bool:
    if isinstance(value, float) and isinstance(claimed, float):
        return math.isclose(value, claimed, rel_tol=_VOLUME_TOLERANCE)
    return value == claimed


def _shown(untrue: list[tuple[str, object, object]]) -> str:
    return ", ".join(f"{name} {value} (certificate: {claimed})" for name, value, claimed in untrue)


def _checks(certificate: Certificate, table: pa.Table, dataset: Dataset) -> list[str]:
    """The checks, repeated with the hours and the bound on silence that the certificate names."""
    repeated = dataset.check(table, _hours(certificate), _max_silence_s(certificate))
    claimed = {check.name: check for check in certificate.checks}
    actual = {check.name: check for check in repeated}
    names = [name for name in {**claimed, **actual} if claimed.get(name) != actual.get(name)]
    differing = [f"the certificate's outcome of {', '.join(names)} is not that of its rows"] if names else []
    return [*differing, *_waivers(certificate, repeated)]


def _hours(certificate: Certificate) -> SessionHours:
    hours = certificate.hours
    bounds = (hours.day_start_ms, hours.day_end_ms, hours.regular_start_ms, hours.regular_end_ms)
    return SessionHours(certificate.session, *bounds)


def _max_silence_s(certificate: Certificate) -> float | None:
    bounds = [max_silence_in(check.detail) for check in certificate.checks]
    return next((bound for bound in bounds if bound is not None), None)


def _waivers(certificate: Certificate, repeated: list[Check]) -> list[str]:
    failed = {check.name: check for check in repeated if check.blocking and not check.ok}
    return [
        *(
            f"{name} fails {check.count} times without a waiver"
            for name, check in failed.items()
            if name not in certificate.waivers
        ),
        *(f"{name} is waived, which nobody may" for name in failed
          if name in certificate.waivers and name not in WAIVABLE),
        *(f"{name} is waived and does not fail" for name in certificate.waivers if name not in failed),
    ]  # fmt: skip


def _state(certificate: Certificate, dataset: Dataset) -> list[str]:
    """If the state is not the one that the rest of the certificate leads to, why not."""
    state = certificate.state
    if state is State.PROVISIONAL:
        return []
    reasons = certificate.suspect_because
    wrong = {
        f"{state.value}, but it was fetched before the session's bars were final": (
            certificate.fetched_at_ms < settled_ms(dataset.spec, _hours(certificate))
        ),
        f"{state.value}, but it holds {certificate.rows} rows": (state is State.EMPTY) is not (certificate.rows == 0),
        f"{state.value} without a reason to be": state is State.SUSPECT and not reasons,
        f"{state.value}, although {'; '.join(reasons)}": state is not State.SUSPECT and bool(reasons),
    }
    return [
        *(detail for detail, is_so in wrong.items() if is_so),
        *(
            _emptiness(certificate, dataset)
            if state is State.EMPTY and not certificate.rows
            else _silence(certificate, dataset)
        ),
    ]


def _emptiness(certificate: Certificate, dataset: Dataset) -> list[str]:
    """Why an empty session is not shown to be one."""
    if dataset.empty is EmptyRule.REFUSED:
        return ["empty, which no session of this dataset may be"]
    if certificate.empty_answers < dataset.empty.attempts:
        return [f"empty after {certificate.empty_answers} answers, of which {dataset.empty.attempts} are needed"]
    return []


def _silence(certificate: Certificate, dataset: Dataset) -> list[str]:
    was_checked = not dataset.bounds_silence or _max_silence_s(certificate) is not None
    return [] if was_checked else [f"{certificate.state.value}, but long_silence was not checked"]


def _against_calendar(certificate: Certificate, hours: SessionHours) -> list[Problem]:
    claimed = msgspec.structs.asdict(certificate.hours)
    actual = msgspec.structs.asdict(Hours.of(hours))
    return [
        (Kind.HOURS_DIFFER, f"{name} {value} by the calendar (certificate: {claimed[name]})")
        for name, value in actual.items()
        if claimed[name] != value
    ]
