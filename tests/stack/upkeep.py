"""What an operator does later: old records away, a backup, and all of it back after a loss."""

from __future__ import annotations

import os
import time

from stack.engine import EngineTrouble
from stack.kills import awaited
from stack.stack import AIRFLOW, DAG, Stack
from stack.table import Table

_AGED, _DAYS = 5, 200
_BACK_S = 600


def verified(stack: Stack, table: Table, sessions: list[str]) -> None:
    """The lake's own verdict over the range."""
    words = ("python", "-m", "marketlake", "verify", "--from", sessions[0], "--to", sessions[-1])
    try:
        said = stack.engine.execute("airflow-scheduler", *words).decode().splitlines()
        table.add("verify", said[-1])
    except EngineTrouble as exc:
        table.add("verify", str(exc), ok=False)


def chores(stack: Stack, table: Table) -> None:
    """Make some runs and their logs old, and let the chores take them, and nothing else."""
    runs = [row[0] for row in stack.engine.sql("select run_id from dag_run order by logical_date")]
    old = ", ".join(f"'{run}'" for run in runs[:_AGED])
    for name in ("task_instance", "dag_run"):
        stack.engine.sql(f"update {name} set start_date = start_date - interval '{_DAYS} days' where run_id in ({old})")
    logs = stack.folder / "data" / "logs"
    aged = [path for run in runs[:_AGED] for path in (logs / f"dag_id={DAG}" / f"run_id={run}").rglob("*.log")]
    for path in aged:
        os.utime(path, (time.time() - _DAYS * 86_400,) * 2)
    others = {path for path in logs.rglob("*") if path.is_file()} - {*aged}
    stack.engine.composed("--profile", "chores", "run", "--rm", "--no-deps", "airflow-chores")
    left = [row[0] for row in stack.engine.sql("select run_id from dag_run order by logical_date")]
    kept = {path for path in logs.rglob("*") if path.is_file()}
    gone = len(aged) - len(kept & {*aged})
    table.add(
        "chores over runs and logs",
        f"{len(runs) - len(left)} of {len(runs)} runs and {gone} of {len(aged)} old logs gone",
        ok=left == runs[_AGED:] and bool(aged) and kept >= others and not kept & {*aged},
    )


def lost_and_restored(stack: Stack, table: Table, another: str) -> None:
    """Dump the database, lose it, bring it back as the docs say, and let one more session through."""
    before, began = _counts(stack), time.monotonic()
    dump = stack.engine.execute("postgres", "pg_dump", "-U", "airflow", "--format=custom", "airflow")
    table.add("pg_dump", f"{len(dump) / 1e6:.1f} MB in {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    stack.engine.composed("stop", *AIRFLOW)
    stack.engine.execute("postgres", "dropdb", "-U", "airflow", "--maintenance-db=postgres", "--force", "airflow")
    stack.engine.execute("postgres", "createdb", "-U", "airflow", "--maintenance-db=postgres", "airflow")
    stack.engine.execute(
        "postgres", "pg_restore", "-U", "airflow", "--exit-on-error", "--dbname=airflow", given=dump
    )  # fmt: skip
    stack.engine.composed("up", "-d")
    after = _counts(stack)
    awaited("the API server after the restore", _BACK_S, stack.api.log_in)
    took_s = time.monotonic() - began
    table.add("the database lost and restored", f"{before} before, {after} after, {took_s:.0f} s", ok=before == after)
    ended = stack.ended()
    stack.create_backfill(another, another, runs=1)
    _, next_s = awaited("a session after the restore", _BACK_S, lambda: stack.ended() > ended)
    table.add("a further session", f"after {next_s:.0f} s")


def _counts(stack: Stack) -> str:
    runs, tasks = stack.engine.sql("select count(*) from dag_run union all select count(*) from task_instance")
    return f"{runs[0]} runs, {tasks[0]} task instances"
