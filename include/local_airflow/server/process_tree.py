"""Processes as the system knows them: found by id and start time, and ended with all below them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import psutil

TERM_WAIT_S = 10
KILL_WAIT_S = 5


def process_of(pid: int, started_s: float) -> psutil.Process | None:
    """The living process of that id and start time, seconds since 1970; None if there is none."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started_s) < 1
    except psutil.NoSuchProcess:
        return None
    return process if same and _lives(process) else None


def title_of(process: psutil.Process) -> str:
    """What a process calls itself, with its arguments if it has no other name. A long title comes in words."""
    return " ".join(process.cmdline()).rstrip()


def orphans(folder: Path) -> list[psutil.Process]:
    """The executor's workers of a scheduler that was killed in that folder: nobody else tells them to end."""
    workers = []
    for process in psutil.process_iter():
        try:
            if title_of(process).startswith("airflow worker") and process.cwd() == str(folder):
                parent = process.parent()
                workers += [] if parent and "scheduler" in " ".join(parent.cmdline()) else [process]
        except psutil.Error:
            continue
    return workers


def foreign_scheduler(folder: Path) -> int | None:
    """The process id of an ``airflow scheduler`` or ``standalone`` that somebody else runs on that home."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if {"scheduler", "standalone"} & set(words[1:4]) and any("airflow" in word for word in words[:3]):
                home = process.environ().get("AIRFLOW_HOME", str(Path.home() / "airflow"))
                if Path(home) == folder:
                    return int(process.pid)
        except psutil.Error:
            continue
    return None


def end_idle(workers: list[psutil.Process]) -> bool:
    """End those of the executor's workers that are at no task, by force: they heed no request. Whether others are
    left.
    """
    idle = [worker for worker in workers if _is_idle(worker)]
    for worker in idle:
        _signal(worker, insist=True)
    return len(idle) < len(workers)


def _is_idle(worker: psutil.Process) -> bool:
    """Whether a worker of the executor is at no task, by its title."""
    try:
        return "<idle>" in title_of(worker)
    except psutil.NoSuchProcess:
        return False


def stop_all(processes: list[psutil.Process]) -> int:
    """End them and all below them: ask first, then insist. How many they were."""
    family = _with_children(processes)
    for process in processes:
        _signal(process, insist=False)
    left = _living_after(TERM_WAIT_S, family)
    for process in _with_children(left):
        _signal(process, insist=True)
    _living_after(KILL_WAIT_S, left)
    return len(family)


def stop_strays(folder: Path) -> int:
    """End what still works in a folder that is ours alone, started by a command that was killed.

    Known by its working folder, or as an Airflow of that home: workers write their title over their environment.
    """
    strays = []
    for process in psutil.process_iter():
        try:
            of_a_module = process.cmdline()[1:3] in (["-m", "airflow"], ["-m", "polygon_simulator"])
            ours = of_a_module or title_of(process).startswith("airflow ")
            if ours and str(folder) in {process.cwd(), process.environ().get("AIRFLOW_HOME")}:
                strays.append(process)
        except psutil.Error:
            continue
    return stop_all(strays)


def _living_after(timeout_s: float, processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still live when time is up. One that has ended may stay on as a zombie: the first process of a
    container need not care for others.
    """
    deadline = time.monotonic() + timeout_s
    while (left := [process for process in processes if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _with_children(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    family: dict[int, psutil.Process] = {}
    for process in processes:
        family[process.pid] = process
        try:
            family.update({child.pid: child for child in process.children(recursive=True)})
        except psutil.NoSuchProcess:
            continue
    return list(family.values())


def _signal(process: psutil.Process, *, insist: bool) -> None:
    try:
        process.kill() if insist else process.terminate()
    except psutil.NoSuchProcess:
        return
