"""``make stack``: bring the containers up, hurt them, and print what healed. Exit code 1 where something did not."""

from __future__ import annotations

import argparse
import datetime as dt
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from local_airflow.server.home import AirflowTrouble
from marketlake.sessions import SessionCalendar
from stack.engine import Engine, EngineTrouble, found_engine
from stack.kills import TooLong, backfill_under_kills
from stack.stack import Stack, written_env
from stack.table import Table
from stack.upkeep import chores, lost_and_restored, verified

_FIRST = dt.date(2024, 10, 1)
_SLOTS = 8


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make stack", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sessions", type=int, default=30, help="of the backfill (default: %(default)s)")
    parser.add_argument("--calls-a-minute", type=int, default=15, help="so slow is the backfill (default: %(default)s)")
    parser.add_argument("--s3", action="store_true", help="the lake in the object store beside the containers")
    parser.add_argument("--engine", choices=("docker", "podman"), help="with --compose; default: what answers here")
    parser.add_argument("--compose", help="the command that reads the compose file, such as 'docker compose'")
    parser.add_argument("--keep", action="store_true", help="leave the containers up, and say how to end them")
    asked = parser.parse_args()
    found = (asked.engine, tuple(shlex.split(asked.compose))) if asked.engine and asked.compose else found_engine()
    if found is None:
        print("stack: skipped, no Docker or Podman with Compose answers here")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="stack-"))
    try:
        return _run(asked, folder, *found)
    finally:
        if not asked.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _run(asked: argparse.Namespace, folder: Path, program: str, compose: tuple[str, ...]) -> int:
    table = Table()
    days = SessionCalendar(_FIRST + dt.timedelta(days=400)).sessions(
        _FIRST, _FIRST + dt.timedelta(days=2 * asked.sessions + 7)
    )
    wanted, another = [str(day) for day in days[: asked.sessions]], str(days[asked.sessions])
    env, project, api = written_env(folder, workers=asked.workers, calls_a_minute=asked.calls_a_minute, s3=asked.s3)
    engine = Engine(program, compose, env, project)
    stack = Stack(engine, folder, api, (days[0], days[asked.sessions - 1]))
    try:
        engine.composed("up", "-d")
        workers = len(engine.containers("airflow-worker"))
        table.add("up", f"{workers} workers", ok=workers == asked.workers)
        backfill_under_kills(stack, table, wanted, asked.workers, _SLOTS)
        verified(stack, table, wanted)
        chores(stack, table)
        lost_and_restored(stack, table, another)
    except (AirflowTrouble, EngineTrouble, TooLong) as exc:
        table.add("gave up", str(exc), ok=False)
    finally:
        if asked.keep:
            print(f"kept: {shlex.join(compose)} --env-file {env} down -v; rm -r {folder}")
        else:
            engine.composed("down", "-v")
    print(f"\n{table.text()}")
    return 0 if table.ok else 1


if __name__ == "__main__":
    sys.exit(main())
