"""A PostgreSQL of the benchmark's own: Debian's server, on a free port and a folder that goes with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from local_airflow.server.ports import free_port

_SERVER_USER = "postgres"
_USER = "bench"
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


@dataclass(frozen=True)
class Server:
    """A server that is up, on 127.0.0.1."""

    port: int

    def database(self, name: str) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        with closing(psycopg2.connect(host="127.0.0.1", port=self.port, user=_USER, dbname="postgres")) as connection:
            connection.autocommit = True  # no database is made within a transaction
            connection.cursor().execute(f"create database {name}")
        return f"postgresql+psycopg2://{_USER}@127.0.0.1:{self.port}/{name}"


@contextmanager
def postgres(folder: Path) -> Iterator[Server]:
    """A server with its own defaults, in a folder that everybody may come into; it ends with the block."""
    programs, port = binaries(), free_port()
    data = folder / "postgres"
    data.mkdir(parents=True)
    as_user = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(data, _SERVER_USER)
        as_user = ["setpriv", f"--reuid={_SERVER_USER}", f"--regid={_gid()}", "--clear-groups"]

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_user, programs / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=data)

    run("initdb", "--pgdata", str(data), "--username", _USER, "--auth", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
    run("pg_ctl", "start", "-D", str(data), "-w", "-t", str(_START_S), "-l", str(data / "log"), "-o", options)
    try:
        yield Server(port)
    finally:
        run("pg_ctl", "stop", "-D", str(data), "-m", "immediate", "-w")


def _gid() -> int:
    return pwd.getpwnam(_SERVER_USER).pw_gid
