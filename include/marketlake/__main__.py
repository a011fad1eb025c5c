"""``python -m marketlake verify | coverage``: what can be said of a lake on this machine, without a call to the API."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec

from marketlake import commands, settings
from marketlake.console import COMPLETE, INCOMPLETE, run_command, say
from marketlake.coverage_page.calendar import calendar_of
from marketlake.coverage_page.standalone import standalone_page
from marketlake.coverage_page.subjects import index_for, subjects_named
from marketlake.coverage_page.terminal import table_of
from marketlake.dataset_names import OPTION_BARS, title
from marketlake.datasets import DATASETS, EVERY, datasets_named
from marketlake.datasets.dataset import Dataset
from marketlake.errors import StorageError
from marketlake.lake import Lake, system_clock
from marketlake.partitions.layout import PROCESSED, ticker_folder
from marketlake.research.arguments import in_short
from marketlake.storage.storage import Storage
from marketlake.verify.findings import next_step
from marketlake.verify.verify import Verification, verify


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: write it as YYYY-MM-DD") from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m marketlake", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verifying = commands.add_parser("verify", help="read every partition and hold it against its certificate")
    verifying.add_argument("--dataset", help="this one only, instead of every dataset of the lake")
    verifying.add_argument("--ticker", type=str.upper, help="this one only, instead of every ticker of the lake")
    verifying.add_argument("--from", dest="first", type=_date, metavar="D", help="default: the first partition")
    verifying.add_argument("--to", dest="last", type=_date, metavar="D", help="default: the last partition")
    verifying.add_argument("--json", dest="json_file", type=Path, metavar="FILE", help="write the findings there, too")
    looking = commands.add_parser("coverage", help="say which sessions are held, and in which state")
    looking.add_argument("--dataset", help="this one only, instead of every dataset of settings and lake")
    looking.add_argument("--ticker", type=str.upper, help="this one only, instead of every ticker")
    looking.add_argument("--json", dest="json_file", type=Path, metavar="FILE", help="write every session there, too")
    looking.add_argument("--html", dest="html_file", type=Path, metavar="FILE", help="write a calendar there, a page")
    return parser.parse_args()


def _coverage(given: argparse.Namespace) -> int:
    """Look, and say. What is missing is no failure of the looking."""
    lake = Lake(settings.load(), now=system_clock)
    calendars = [
        calendar_of(subject, index_for(subject, keep=True).look(), {})
        for subject in subjects_named(lake, given.dataset, given.ticker)
    ]
    for line in chain.from_iterable(table_of(calendar) for calendar in calendars):
        say(line)
    if given.json_file is not None:
        by_name = {f"{calendar.dataset} {calendar.ticker}": calendar for calendar in calendars}
        _write(given.json_file, "--json", _as_json(calendars[0] if len(calendars) == 1 else by_name))
    if given.html_file is not None:
        _write(given.html_file, "--html", standalone_page(calendars).encode())
    return COMPLETE


def _verify(given: argparse.Namespace) -> int:
    lake = Lake(settings.load(), now=system_clock)
    done = []
    for dataset in _wanted(lake, given.dataset, given.ticker):
        started = time.monotonic()
        verification = verify(lake, dataset, ticker=given.ticker, first=given.first, last=given.last)
        _show(verification, lake, dataset, time.monotonic() - started)
        done.append(verification)
    if given.json_file is not None:
        _write(given.json_file, "--json", _as_json(_together(done)))
    return INCOMPLETE if any(verification.findings for verification in done) else COMPLETE


def _wanted(lake: Lake, name: str | None, ticker: str | None) -> list[Dataset]:
    """The dataset of that name, or every one that the lake holds anything of; if there is none, the first that is on.

    Raises SettingsError for a name that there is none of.
    """
    if name is not None:
        return datasets_named(name)
    held = [dataset for dataset in EVERY.values() if _holds(lake.store(dataset.spec).storage, ticker)]
    return held or [DATASETS[name] for name in lake.settings.datasets.on[:1]] or [EVERY[OPTION_BARS]]


def _holds(storage: Storage, ticker: str | None) -> bool:
    return bool(
        storage.folders(PROCESSED) or storage.files(PROCESSED)
        if ticker is None
        else storage.folders(ticker_folder(ticker))
    )


def _show(done: Verification, lake: Lake, dataset: Dataset, seconds: float) -> None:
    """A line a finding, and a line that sums up."""
    spec = dataset.spec
    rows = [
        (title(spec.name, finding.ticker) if finding.ticker else "-", str(finding.session or "-"), finding.kind.value)
        for finding in done.findings
    ]
    place = f"{spec.prefix}/" if spec.prefix else ""
    again = commands.from_a_backup if spec.live else partial(
        commands.fetching, spec.name, tickers=lake.settings.tickers_of(spec.name), again=True
    )  # fmt: skip
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for finding, row in zip(done.findings, rows, strict=True):
        cells = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        say(f"{cells}  {finding.detail.rstrip('.')}: {next_step(finding, place, again)}")
    say(_summary(done, lake.store(spec).storage.where, seconds))


def _summary(done: Verification, where: str, seconds: float) -> str:
    doubtful = done.partitions - sum(done.states.values())
    counts = {**done.states, "not proven": doubtful}
    states = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"
    return (
        f"{title(done.dataset, in_short(done.tickers))}: {done.partitions:,} partitions under {where},"
        f" {done.rows:,} rows, {done.size_bytes / 1e6:,.1f} MB, {states}; {len(done.findings):,} findings;"
        f" {seconds:.1f} s"
    )


def _as_json(what: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(what)) + b"\n"


def _write(path: Path, option: str, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as exc:
        raise StorageError(f"cannot write {path}: {exc.strerror or exc}. Name another file with {option}.") from exc


def _together(done: list[Verification]) -> Verification | dict[str, Verification]:
    """What is written: of a lake with one dataset that alone, of several each under its name."""
    return done[0] if len(done) == 1 else {verification.dataset: verification for verification in done}


def _run() -> int:
    given = _arguments()
    return _verify(given) if given.command == "verify" else _coverage(given)


def main() -> int:
    """Run one command."""
    return run_command(_run)


if __name__ == "__main__":
    sys.exit(main())
