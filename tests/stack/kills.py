"""A backfill in the middle of which one service after the other is killed, and what is left when it has ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from local_airflow.server.home import AirflowTrouble
from stack.engine import EngineTrouble
from stack.stack import DAG, Stack
from stack.table import Table

VICTIMS = ("postgres", "redis", "airflow-worker", "airflow-scheduler", "airflow-apiserver")
_TASKS = ("plan_sessions", "ingest_session", "dates_ended", "report")
_POLL_S = 2.0
_FIRST_ONES = 10
_BACK_S = 300
_MOVES_S = 420
_ENDS_S = 1_800


class TooLong(Exception):
    """Something did not come within its bound."""


def awaited(what: str, limit_s: float, seen: Callable[[], Any]) -> tuple[Any, float]:
    """The first thing that ``seen`` returns and that counts, and the seconds until then.

    A server that was just killed does not answer: that is waited for, too. Raises TooLong.
    """
    began, trouble = time.monotonic(), ""
    while True:
        try:
            if found := seen():
                return found, time.monotonic() - began
            trouble = ""
        except (EngineTrouble, AirflowTrouble) as exc:
            trouble = f" ({exc})"
        if time.monotonic() - began > limit_s:
            raise TooLong(f"{what}: not within {limit_s:.0f} s{trouble}")
        time.sleep(_POLL_S)


def backfill_under_kills(stack: Stack, table: Table, sessions: list[str], workers: int, slots: int) -> None:
    """Start a backfill, kill each of the victims in the middle of it, wait for its end, look at what there is."""
    stack.create_backfill(sessions[0], sessions[-1], runs=workers * slots)
    most, memory = _most_at_once(stack, min(workers * slots, len(sessions)))
    table.add("sessions fetched at once", f"{most}, by {workers} workers with {slots} slots each", ok=most > slots)
    beside = ("object-store",) if stack.engine.containers("object-store") else ()
    for victim in (*VICTIMS, *beside):
        _kill(stack, table, victim, len(sessions))
        memory = _larger(memory, stack.engine.memory_bytes())
    _, took_s = awaited("the end of the backfill", _ENDS_S, lambda: stack.under_way()[0] == 0)
    table.add("the backfill ends by itself", f"{took_s:.0f} s after the last one was back")
    _instances(stack, table, len(sessions))
    _logs(stack, table, workers)
    _left_in_redis(stack, table)
    shown = ", ".join(f"{name.rstrip('_-1')} {held / 1e6:.0f}" for name, held in sorted(memory.items()))
    table.add("most memory seen, MB", f"{shown}; all {sum(memory.values()) / 1e6:.0f}")


def _most_at_once(stack: Stack, wanted: int) -> tuple[int, dict[str, float]]:
    """The most sessions that were seen under way at a time: of the first ones, as many as a minute's calls serve are
    through before the others have begun."""
    most, memory = 0, dict[str, float]()

    def seen() -> bool:
        nonlocal most, memory
        most = max(most, stack.under_way()[1])
        memory = _larger(memory, stack.engine.memory_bytes())
        return most >= wanted or stack.ended() >= _FIRST_ONES

    awaited("the first sessions of the backfill", _MOVES_S, seen)
    return most, memory


def _larger(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {*one, *other}}


def _kill(stack: Stack, table: Table, victim: str, wanted: int) -> None:
    """Kill one, wait until its health check passes again and until a further session has ended."""
    ended, container = stack.ended(), stack.engine.container(victim)
    stack.engine.kill(container)
    _, back_s = awaited(f"{victim}'s health", _BACK_S, lambda: stack.engine.healthy(container, victim))
    _, on_s = awaited(f"a session after {victim} was killed", _MOVES_S, lambda: stack.ended() > ended)
    table.add(
        f"`kill -9` of {victim}, {ended} of {wanted} sessions done",
        f"healthy again after {back_s:.0f} s, the next session after {back_s + on_s:.0f} s",
        ok=ended < wanted,
    )


def _instances(stack: Stack, table: Table, wanted: int) -> None:
    rows = stack.engine.sql(
        "select t.task_id, t.state, count(*), sum(greatest(t.try_number - 1, 0)) from task_instance t"
        f" join dag_run r using (dag_id, run_id) where r.run_type = 'backfill' and dag_id = '{DAG}' group by 1, 2"
    )
    counts: Counter[str] = Counter()
    for task, state, count, _ in rows:
        counts[task] += int(count) if state in {"success", "skipped"} else 0
    again = sum(int(tries) for *_, tries in rows)
    shown = ", ".join(f"{task} {counts[task]}" for task in _TASKS)
    table.add(
        "task instances that ended well", f"{shown}; {again} further tries", ok=counts == dict.fromkeys(_TASKS, wanted)
    )
    runs = stack.engine.sql("select state, count(*) from dag_run where run_type = 'backfill' group by 1")
    table.add("runs", ", ".join(" ".join(row) for row in runs), ok=runs == [["success", str(wanted)]])


def _logs(stack: Stack, table: Table, workers: int) -> None:
    """Through the API server: of every session, the log of its last try, and of each earlier one."""
    stack.log_in()
    read: Counter[str] = Counter()
    empty, earlier, earlier_read = [], 0, 0
    for run in stack.api.runs(DAG, *stack.dates):
        for instance in stack.api.task_instances(DAG, run["dag_run_id"]):
            if instance["task_id"] != "ingest_session":
                continue
            if _has_text(stack, instance):
                read[instance["hostname"]] += 1
            else:
                empty.append(run["dag_run_id"])
            for attempt in range(1, instance["try_number"]):
                earlier += 1
                earlier_read += _has_text(stack, {**instance, "try_number": attempt})
    shown = ", ".join(f"{count} of {host}" for host, count in sorted(read.items()))
    table.add("logs through the API server", shown, ok=len(read) == workers and not empty)
    table.add("logs of tries that were cut off", f"{earlier_read} of {earlier} read")


def _has_text(stack: Stack, instance: dict[str, Any]) -> bool:
    return any(event.get("timestamp") for event in stack.api.log_events(instance))


def _left_in_redis(stack: Stack, table: Table) -> None:
    script = 'export REDISCLI_AUTH="$REDIS_PASSWORD"; for k in "hlen unacked" "llen default"; do redis-cli $k; done'
    unacked, queued = stack.engine.execute("redis", "sh", "-c", script).decode().split()
    table.add("left in Redis", f"{unacked} unacked, {queued} queued")
