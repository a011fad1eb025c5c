"""``python -m polygon_simulator --port 8000 --key KEY [--replay FOLDER]``: serve until interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from marketlake.lake import system_clock
from marketlake.sessions import SessionCalendar
from polygon_simulator.days import MadeUpDays, RecordedDays
from polygon_simulator.server import Simulator


def main() -> int:
    """Serve recorded or made-up days."""
    parser = argparse.ArgumentParser(prog="polygon_simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed")
    parser.add_argument("--key", required=True, help="the key that requests must carry")
    parser.add_argument("--replay", type=Path, help="a folder of TICKER-YYYY-MM-DD.json.gz")
    given = parser.parse_args()
    days = RecordedDays(given.replay) if given.replay else MadeUpDays(SessionCalendar(system_clock().date()))
    with Simulator(days, given.key, port=given.port) as simulator:
        print(f"serving on {simulator.url}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
