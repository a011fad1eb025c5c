"""``python -m marketlake verify``: what can be said of a lake on this machine, without any call to the API."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from functools import partial
from pathlib import Path

import msgspec

from marketlake import commands, settings
from marketlake.console import COMPLETE, INCOMPLETE, ended, say
from marketlake.errors import StorageError
from marketlake.lake import Lake, system_clock
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
    verifying.add_argument("--ticker", type=str.upper, help="this one only, instead of every ticker of the lake")
    verifying.add_argument("--from", dest="first", type=_date, metavar="D", help="default: the first partition")
    verifying.add_argument("--to", dest="last", type=_date, metavar="D", help="default: the last partition")
    verifying.add_argument("--json", dest="json_file", type=Path, metavar="FILE", help="write the findings there, too")
    return parser.parse_args()


def _verify(given: argparse.Namespace) -> int:
    started = time.monotonic()
    lake = Lake(settings.load(), now=system_clock)
    done = verify(lake, ticker=given.ticker, first=given.first, last=given.last)
    _show(done, lake, time.monotonic() - started)
    if given.json_file is not None:
        _write(given.json_file, done)
    return INCOMPLETE if done.findings else COMPLETE


def _show(done: Verification, lake: Lake, seconds: float) -> None:
    """A line a finding, and a line that sums up."""
    rows = [(one.ticker or "-", str(one.session or "-"), one.kind.value) for one in done.findings]
    again = partial(commands.fetching, tickers=lake.settings.tickers, again=True)
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for finding, row in zip(done.findings, rows, strict=True):
        cells = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        say(f"{cells}  {finding.detail.rstrip('.')}: {next_step(finding, again)}")
    say(_summary(done, lake, seconds))


def _summary(done: Verification, lake: Lake, seconds: float) -> str:
    doubtful = done.partitions - sum(done.states.values())
    counts = {**done.states, "not proven": doubtful}
    states = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"
    return (
        f"{', '.join(done.tickers)}: {done.partitions:,} partitions under {lake.storage.root}, {done.rows:,} rows,"
        f" {done.size_bytes / 1e6:,.1f} MB, {states}; {len(done.findings):,} findings; {seconds:.1f} s"
    )


def _write(path: Path, done: Verification) -> None:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(done)) + b"\n")
    except OSError as exc:
        raise StorageError(f"cannot write {path}: {exc.strerror or exc}. Name another file with --json.") from exc


def main() -> int:
    """Run one command."""
    return ended(lambda: _verify(_arguments()))


if __name__ == "__main__":
    sys.exit(main())
