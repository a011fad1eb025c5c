"""A demo while it runs: its simulator, its Airflow and its lake, from nothing, ended with it unless they are kept."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_airflow.backfill.range import Range
from local_airflow.backfill.run import BackfillRun
from local_airflow.demo.folder import DemoFolder
from local_airflow.server.api import AirflowApi
from local_airflow.server.home import Home
from local_airflow.server.keeper import Keeper, of_home
from local_airflow.server.scheduler_log import SchedulerLog
from local_airflow.server.stack import end, scheduled_dag_ids, start_unscheduled
from marketlake import settings
from marketlake.console import say
from marketlake.dataset_names import dag_id
from marketlake.lake import Lake, system_clock

TICKER = "SPY"


@dataclass(frozen=True)
class Demo:
    """What a demo works with. ``began_s``: by the monotonic clock."""

    stage: DemoFolder
    home: Home
    api: AirflowApi
    lake: Lake
    simulator_url: str
    keep_alive: Keeper
    began_s: float

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self.began_s

    @property
    def data(self) -> Path:
        """The lake's folder, as one would write it in the checkout."""
        data = self.stage.path / "data"
        return data.relative_to(settings.project_folder()) if data.is_relative_to(settings.project_folder()) else data

    def backfill(self, wanted: Range) -> dict[dt.date, str]:
        """Backfill a range, and say how far it is. Why sessions failed, by session."""
        log = SchedulerLog.of(self.stage.airflow)
        filling = BackfillRun(self.api, dag_id(wanted.dataset, TICKER), wanted, say, log)
        filling.create_or_attach(refetch=False)
        filling.watch(self.keep_alive, ours=True)
        return filling.reasons()

    def looking(self, name: str, again: str, *, keep: bool) -> list[str]:
        """Where to look at what came, as lines. ``again``: the command that keeps the next demo up."""
        lines = ["look at it in a notebook:", "  make notebook", "look at it in Airflow's UI:"]
        if not keep:
            return [*lines, f"  {again}"]
        return [
            *lines,
            f"  {self.api.base_url}/dags/{dag_id(name, TICKER)}  user {self.home.user}, password in"
            f" {self.home.passwords_file}",
            f"  {self.api.base_url}/coverage/?dataset={name}&ticker={TICKER}  which sessions it holds",
            "  it stays up until  make down  or the next  make demo",
        ]


@contextmanager
def a_demo(
    title: str,
    environment: Mapping[str, str],
    faults: dict[str, list[dict[str, Any]]],
    *,
    keep: bool,
    contracts: str = "full",
) -> Iterator[Demo]:
    """Everything from nothing. ``environment``: what is collected, as variables; ``faults`` and ``contracts``: of the
    simulator. Ended with the block, unless it is to be kept and nothing was raised. Raises AirflowTrouble.
    """
    began_s, stage = time.monotonic(), DemoFolder.of_this_checkout()
    with stage.alone(), ExitStack() as at_exit:
        say(f"a demo on made-up {title}: no key is used, and nothing leaves this machine")
        at_exit.callback(end, stage.simulator)
        stage.use_demo_environment(environment)
        simulator_url = stage.start_simulator(faults, contracts)
        lake = Lake(settings.load(), now=system_clock)
        home = Home.of(lake.settings)
        at_exit.callback(end, stage.airflow)
        with home.starting():
            say(f"starting Airflow ({home.database}) ...")
            home.migrate()
            api = start_unscheduled(home, scheduled_dag_ids(lake.settings), "demo")
        demo = Demo(stage, home, api, lake, simulator_url, of_home(home, say), began_s)
        say(f"Airflow is up after {demo.seconds:.0f} s at {api.base_url}")
        api.be_patient(demo.keep_alive)
        yield demo
        if keep:
            at_exit.pop_all()
