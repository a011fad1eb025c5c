"""Whether an Airflow is up: every component of it alive, and giving signs of life."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from local_airflow.server.api import AirflowApi
from local_airflow.server.components import OF_UP
from local_airflow.server.home import AirflowTrouble
from local_airflow.server.processes import Processes

_WELL_S = 120
"""How long it may take until all are well: a laptop that just woke needs some seconds, a component that is started
again on a busy machine half a minute."""
_POLL_S = 0.5


def require_well(
    processes: Processes, api: AirflowApi, next_step: str, meanwhile: Callable[[], None] | None = None
) -> None:
    """Wait until every component is well. Raises AirflowTrouble, which names the others, when time is up."""
    deadline = time.monotonic() + _WELL_S
    while ailing := _ailing(processes, api):
        if time.monotonic() > deadline:
            raise AirflowTrouble(f"{'; '.join(ailing.values())}. {next_step}")
        if meanwhile is not None:
            meanwhile()
        time.sleep(_POLL_S)


def is_well(processes: Processes, api: AirflowApi) -> bool:
    """Whether every component lives and gives signs of life now."""
    return not _ailing(processes, api)


def _ailing(processes: Processes, api: AirflowApi) -> dict[str, str]:
    """What of an Airflow has ended or gives no sign of life, and where that shows. Of one that somebody else has
    started, by its health alone.
    """
    running = processes.running()
    started_s = {name: at_s for name, (_, at_s) in running.pids.items()} if running else dict.fromkeys(OF_UP, 0.0)
    ailing = {name: processes.end_of(name) for name in processes.ended()}
    health = api.healthy()
    if health is None:
        return {"api-server": f"api-server does not answer at {api.base_url}", **ailing}
    for name in OF_UP[1:]:
        if name in started_s and name not in ailing and not _gives_signs(health, name, started_s[name]):
            where = f": see {processes.log_of(name)}" if running else ""
            ailing[name] = f"{name} gives no sign of life{where}"
    return ailing


def _gives_signs(health: dict[str, Any], component: str, since_s: float) -> bool:
    """Whether the component has given a sign of life lately, and since its process was started: of one that was
    killed, Airflow keeps the last sign for half a minute.
    """
    name = component.replace("-", "_")
    component_health = health.get(name) or {}
    latest = component_health.get(f"latest_{name}_heartbeat")
    return component_health.get("status") == "healthy" and (
        not latest or dt.datetime.fromisoformat(latest).timestamp() >= since_s
    )
