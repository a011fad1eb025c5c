"""A PostgreSQL of the benchmark's own: Debian's server, on a free port and a folder that goes with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_airflow.server.ports import free_port

_SERVER_USER = "postgres"
_START_S = 60


def binaries() -> Path:
    """The folder of the newest server's programs; Debian's package is installed where none is found."""
    return found() or _installed()


def found() -> Path | None:
    """The folder of the newest server's programs; None where there is no server."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parents[1].name))
    on_path = shutil.which("initdb")
    return known[-1].parent if known else Path(on_path).resolve().parent if on_path else None


def _installed() -> Path:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "-qq", *command], env=environment, check=True)
    folder = found()
    if folder is None:
        raise SystemExit("the benchmark needs PostgreSQL's server: install it (Debian: apt-get install postgresql).")
    return folder


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, on a server with its own defaults, which ends with the block."""
    programs, port = binaries(), free_port()
    data = folder / "postgres"
    data.mkdir(parents=True)
    as_user = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(data, _SERVER_USER)
        as_user = ["setpriv", f"--reuid={_SERVER_USER}", f"--regid={_gid()}", "--clear-groups"]

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_user, programs / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=data)

    run("initdb", "--pgdata", str(data), "--username", "bench", "--auth", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
    run("pg_ctl", "start", "-D", str(data), "-w", "-t", str(_START_S), "-l", str(data / "log"), "-o", options)
    try:
        yield f"postgresql+psycopg2://bench@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "stop", "-D", str(data), "-m", "immediate", "-w")


def _gid() -> int:
    return pwd.getpwnam(_SERVER_USER).pw_gid
