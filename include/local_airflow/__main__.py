"""``python -m local_airflow demo|up|down|backfill|airflow|notebook``: what ``make`` calls; and the keeper of ``up``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import NoReturn

from local_airflow.server import keeper
from local_airflow.server.home import Home
from marketlake import proxies, settings
from marketlake.console import run_command
from marketlake.errors import SettingsError


def airflow(arguments: list[str]) -> NoReturn:
    """Become Airflow's own command, on the home and with the folders of this checkout."""
    home = Home.of(settings.load())
    home.claim()
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *arguments], home.environment)  # noqa: S606 (no shell is the point)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="local_airflow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    showing = commands.add_parser("demo")
    showing.add_argument("--keep", action="store_true")
    showing.add_argument("--dataset", default="")
    showing.add_argument("--options", action="store_true")
    commands.add_parser("up")
    commands.add_parser("down")
    filling = commands.add_parser("backfill")
    filling.add_argument("--from", dest="first", required=True)
    filling.add_argument("--to", dest="last", required=True)
    filling.add_argument("--dataset", default="")
    filling.add_argument("--ticker", default="")
    filling.add_argument("--refetch", action="store_true")
    commands.add_parser("keep")
    commands.add_parser("airflow").add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("notebook").add_argument("arguments", nargs="*", help="of JupyterLab, after --")
    return parser.parse_args()


def _require_checkout() -> None:
    """Raise SettingsError if there are no DAGs and plugins beside this package."""
    if settings.checkout() is None:
        raise SettingsError(
            "local_airflow runs the DAGs of a checkout, and is installed without one: clone the repository, and give"
            " the command there."
        )


def _run() -> int:
    given = _arguments()
    _require_checkout()
    for request_to_end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(request_to_end, signal.default_int_handler)
    if given.command == "keep":  # it stays for days, with a third of the memory of what the others import
        return keeper.keep()
    if given.command == "airflow":
        airflow(given.arguments)
    if given.command == "notebook":
        from local_airflow import notebook

        return notebook.run(given.arguments)
    if given.command in {"backfill", "up"}:  # before anything is created; a demo goes by no proxy
        proxies.require_usable(settings.environment())
    from local_airflow import up
    from local_airflow.backfill import command as backfill
    from local_airflow.demo import command as demo
    from local_airflow.demo import options

    if given.command == "backfill":
        return backfill.run(
            given.first, given.last, dataset_name=given.dataset, ticker=given.ticker, refetch=given.refetch
        )
    if given.command == "demo":
        return options.run(keep=given.keep) if given.options else demo.run(keep=given.keep, dataset=given.dataset)
    return up.up() if given.command == "up" else up.down()


def main() -> int:
    """Run one command."""
    return run_command(_run)


if __name__ == "__main__":
    sys.exit(main())
