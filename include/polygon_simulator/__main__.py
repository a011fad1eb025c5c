"""``python -m polygon_simulator``: a stand-in for the vendor's API, until it is interrupted."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import signal
import sys
import textwrap
from pathlib import Path

_END = {signal.SIGINT, signal.SIGTERM}
# Before a thread starts, which would inherit them unblocked: numpy has some from its import on, and a signal that comes
# before this thread waits for it goes to one of them, and ends the process as if nobody waited.
signal.pthread_sigmask(signal.SIG_BLOCK, _END)

from marketlake.console import run_command, say  # noqa: E402
from polygon_simulator.days import Days, RecordedDays  # noqa: E402
from polygon_simulator.faults import KNOWN, SUBJECTS, Faults  # noqa: E402
from polygon_simulator.folds import EXACT, Differences  # noqa: E402
from polygon_simulator.market import MadeUpDays  # noqa: E402
from polygon_simulator.options.chain import RULES  # noqa: E402
from polygon_simulator.plan import NAMES, OPTION_NAMES, Plan  # noqa: E402
from polygon_simulator.server import S3_ACCESS_KEY, Simulator  # noqa: E402

KEY_VARIABLE = "POLYGON_API_KEY"
_FAULTS = f"""faults by date, each for so many answers (times; 1 if not given, 0: for ever):
  --faults '{{"2024-11-27": [{{"fault": "empty", "times": 0}}]}}'
of options, "contract": "O:SPY241220C00600000" or "*" with a "timespan"; else "endpoint":
  {", ".join(SUBJECTS)}
  --faults '{{"2024-11-27": [{{"fault": "lost_page"}}, {{"fault": "empty", "contract": "*", "timespan": "minute"}}]}}'
  the same as the body of  POST /simulator/faults  replaces them while it runs
  {textwrap.fill(", ".join(sorted(KNOWN)), 110, subsequent_indent="  ")}"""


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="polygon_simulator",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="A stand-in for the vendor's API. Made-up days look like a market and mean nothing.",
        epilog=_FAULTS,
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed")
    parser.add_argument(
        "--key",
        default=os.environ.get(KEY_VARIABLE),
        help=f"the key that requests must carry (else {KEY_VARIABLE}, which no list of processes shows)",
    )
    parser.add_argument("--plan", choices=NAMES, default="advanced", help="what the key may see (default: %(default)s)")
    parser.add_argument(
        "--option-plan", choices=OPTION_NAMES, default="advanced", help="the same of options (default: %(default)s)"
    )
    parser.add_argument(
        "--contracts", choices=sorted(RULES), default="full", help="how large a chain of options is (default: full)"
    )
    parser.add_argument(
        "--s3-access-key",
        default=S3_ACCESS_KEY,
        help="lets in to the flat files, bucket flatfiles (default: %(default)s)",
    )
    parser.add_argument("--latency-ms", type=_positive, default=0, help="wait that long before each answer")
    parser.add_argument("--calls-a-minute", type=_positive, help="answer 429 beyond them")
    parser.add_argument(
        "--replay",
        type=Path,
        help="serve a folder of TICKER-YYYY-MM-DD.json.gz (minute bars: minutes/), or a lake's raw pages, instead",
    )
    parser.add_argument(
        "--exact", action="store_true", help="folded minute and day bars that add up from their seconds"
    )
    parser.add_argument("--faults", type=json.loads, default={}, help="JSON, as below")
    return parser


def main() -> int:
    """Serve recorded or made-up days."""
    parser = _parser()
    given = parser.parse_args()
    if not given.key:
        parser.error(f"a key is needed: --key, or {KEY_VARIABLE} in the environment")
    if given.replay and not given.replay.is_dir():
        parser.error(f"--replay {given.replay} is no folder")
    today, faults = dt.datetime.now(dt.UTC).date(), Faults()
    plan = Plan.named(given.plan, today).with_options(given.option_plan, today)
    plan.calls_a_minute = given.calls_a_minute or plan.calls_a_minute
    try:
        faults.replace(given.faults)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        parser.error(f"--faults: {exc}")
    recorded = RecordedDays(given.replay) if given.replay else None
    days: Days = recorded or MadeUpDays()
    differences = EXACT if given.exact else Differences()
    simulator = Simulator(
        days, given.key, plan, faults, differences, minutes=recorded, port=given.port, host=given.host,
        contracts=given.contracts, latency_ms=given.latency_ms,
        s3_access_key=given.s3_access_key,
    )  # fmt: skip
    try:
        simulator.start()
    except (OSError, OverflowError) as exc:
        parser.error(f"cannot listen on {given.host}:{given.port}: {exc}. Choose another --port.")
    say(f"serving on {simulator.url}")
    signal.sigwait(_END)
    simulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
