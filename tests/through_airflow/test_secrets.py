"""No key anywhere: every byte that a real Airflow, the lake and the commands leave behind is searched.

Each way in has a key of its own, so that a finding names its way. Not looked at: the environment of the processes,
where the user exported the key and where it has to be.
"""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import airflow
import psutil
import pytest
import yaml

from conftest import RecordedElseSparse
from local_airflow.server.api import AirflowApi
from local_airflow.server.ports import free_port
from polygon_simulator.server import Simulator
from rig import DAG, PROJECT, Rig, ended, instances, processes_in, trigger, until
from secret_search import SecretSearch

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]  # the fixture goes through a score of runs

KEYS = {
    "the key of the environment": """env"'+/&?%=<.*>$(x)-32-keys-a1E9""",
    "the second key of the environment": "massive-never-asked-for-32-chM2q",
    "the key of the connection": "connection-password-of-32-chC3cc",
    "the key of AIRFLOW_CONN_POLYGON_DEFAULT": "connection-variable-of-32-chV4vv",
    "a wrong key": "wrong-key-of-somebody-else-32W5w",
    "a header in an extra": "extra-header-of-32-characters-X6",
    "a nested header in an extra": "extra-nested-of-32-characters-N7",
    "the password of a proxy in an extra": "extra-proxy-of-32-characters-P8p",
    "the S3 access key of the environment": "s3-access-of-environment-32-A1aa",
    "the S3 secret of the environment": """s3-secret"'+/&?%=-of-environment""",
    "the S3 secret of the connection": "s3-secret-of-the-connection-B2bb",
}
OF_ENVIRONMENT, SECOND, OF_CONNECTION, OF_VARIABLE, WRONG, HEADER, NESTED, PROXY = list(KEYS.values())[:8]
S3_ACCESS, S3_SECRET, S3_PASSWORD = list(KEYS.values())[8:]
S3_LOGIN = "s3-access-of-the-connection-L3ll"
"""Airflow keeps and shows the login of a connection as it is; in logs it must not stand all the same."""
SEARCH = SecretSearch(KEYS)

_NOT_VISITED = ("/wait", "/logout")
"""The first waits, the second ends the login."""

PROBE = '''
"""What a user's own task may do with the hook."""
from airflow.sdk import DAG, task

with DAG("probe", schedule=None):

    @task
    def unexpected():
        from marketlake import settings
        from marketlake_airflow.hook import PolygonHook

        client = PolygonHook().client(settings.load())
        print("the client", client, "with", client.transport._key.value, "and", client.transport._http.headers)
        try:
            {client.transport._key.value: 1}["nothing"]
        except KeyError as exc:
            sent = dict(client.transport._http.headers)
            raise ZeroDivisionError(f"{client.transport._key.value} sent with {sent}") from exc

    @task
    def rendered(password):
        print("the password is", password)

    unexpected()
    rendered("{{ conn.polygon_default.password }}")

with DAG("files", schedule=None):

    @task
    def look():
        import datetime as dt

        from marketlake import settings
        from marketlake_airflow.flat_files_hook import FlatFilesHook

        bucket = FlatFilesHook().bucket(settings.load())
        print("the files", bucket, "with", vars(bucket._bucket._keys))
        bucket.announced(dt.date(2022, 11, 24))  # a holiday

    look()
'''


@dataclass
class Sweep:
    """One Airflow, what its commands printed, and what its processes were called with."""

    rig: Rig
    api: AirflowApi
    printed: list[str] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    visited: dict[str, bytes] = field(default_factory=dict)

    def make(self, *arguments: str, **environment: str) -> str:
        self.printed.append(self.rig.make(*arguments, **environment).stdout)
        return self.printed[-1]

    def log(self, dag_id: str, run_id: str) -> str:
        """The logs of every try of a run, as they lie on the disk."""
        folder = self.rig.folder / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
        return "".join(path.read_text() for path in sorted(folder.rglob("*.log")))


@contextmanager
def watched(rig: Rig, called: set[str]) -> Iterator[None]:
    """Collects the command lines of every process that this one starts, or that works in the home."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.4):
            for process in [*psutil.Process().children(recursive=True), *processes_in(rig.home)]:
                try:
                    called.add("\0".join(process.cmdline()))
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """An Airflow that has been through it all: every way in for a key, success, failure, and every log level."""
    folder = tmp_path_factory.mktemp("secrets")
    dags = folder / "dags"
    dags.mkdir()
    for file in (PROJECT / "dags").glob("*.py"):
        shutil.copy(file, dags)
    (dags / "probe.py").write_text(PROBE)
    port = free_port()
    with Simulator(RecordedElseSparse(), OF_ENVIRONMENT, s3_access_key=S3_ACCESS) as simulator:
        rig = Rig(
            folder,
            simulator,
            {
                "POLYGON_API_KEY": f" {OF_ENVIRONMENT}\n",
                "MASSIVE_API_KEY": SECOND,
                "POLYGON_S3_ACCESS_KEY_ID": f" {S3_ACCESS}\n",
                "POLYGON_S3_SECRET_ACCESS_KEY": S3_SECRET,
                "MARKETLAKE__OPTIONS__FLAT_FILES__ENDPOINT_URL": simulator.url,
                "AIRFLOW__API__PORT": str(port),
                "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
                "MARKETLAKE__SCHEDULE__ENABLED": "false",
                "MARKETLAKE__LOGGING__LEVEL": "DEBUG",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            },
        )
        api = AirflowApi(f"http://127.0.0.1:{port}", "admin", "")
        sweep = Sweep(rig, api)
        with watched(rig, sweep.called):
            try:
                _go_through(sweep)
                yield sweep
            finally:
                sweep.make("down")
        assert rig.processes() == []


def _go_through(sweep: Sweep) -> None:
    """Everything that is searched afterwards. What each step must show is asserted, so that none is vacuous."""
    with socket.socket() as taken:  # so that the key is asked about, and nothing started
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = sweep.make("up", POLYGON_API_KEY=WRONG, AIRFLOW__API__PORT=str(taken.getsockname()[1]))
    assert "****2W5w from POLYGON_API_KEY is not accepted" in told
    assert "Airflow is up" in sweep.make("up")
    (passwords,) = sweep.rig.home.glob("*passwords*")
    sweep.api = AirflowApi(sweep.api.base_url, "admin", json.loads(passwords.read_text())["admin"])
    assert sweep.api.log_in()
    assert "is up already" in sweep.make("up")
    _by_environment(sweep)
    _by_files(sweep)
    _by_variable_of_airflow(sweep)
    _by_connection(sweep)
    _by_extras(sweep)
    sweep.make("airflow", "ARGS=info --verbose")
    sweep.make("airflow", "ARGS=config list")
    sweep.make("airflow", "ARGS=dags list --verbose")


def _by_environment(sweep: Sweep) -> None:
    sweep.rig.simulator.faults.set("2022-03-08", [{"fault": "500", "times": 0}])
    told = sweep.make("backfill", "FROM=2022-03-07", "TO=2022-03-09")
    assert "SPY 2022-03-08  FAILED  ServerTrouble" in told
    assert "SPY: 2 of 3 sessions have their partition" in told
    assert "with API key ****a1E9 from POLYGON_API_KEY" in told
    sweep.rig.simulator.faults.set("2022-03-11", [{"fault": "echoed_key", "times": 0}])
    assert "API key ****a1E9 from POLYGON_API_KEY" in run_of(sweep, "2022-03-11", "success")
    told = sweep.make("backfill", "FROM=2022-03-14", "TO=2022-03-15", POLYGON_API_KEY=f"'{WRONG}'\n")
    assert "KeyRefused: SPY 2022-03-14" in told
    assert "****2W5w from POLYGON_API_KEY is not accepted" in told


def _by_files(sweep: Sweep) -> None:
    """The keys of the environment are let in, and there is no file; those of the connection are not let in."""
    log = sweep.log("files", trigger_files(sweep.api))
    assert "with S3 keys ****A1aa from POLYGON_S3_ACCESS_KEY_ID" in log
    assert "2022-11-24 flat file: HTTP 404 for s3://flatfiles/us_options_opra" in log
    assert "NotPublished" in log
    connect(sweep, "polygon_flat_files", login=S3_LOGIN, password=f"{S3_PASSWORD}\n")
    log = sweep.log("files", trigger_files(sweep.api))
    assert "The S3 keys ****L3ll from the connection polygon_flat_files are not accepted" in log


def _by_variable_of_airflow(sweep: Sweep) -> None:
    """The command asks with that key; the tasks, of an Airflow without that variable, are refused."""
    sweep.rig.simulator.key = OF_VARIABLE
    connection = {"conn_type": "http", "host": sweep.rig.simulator.url, "password": OF_VARIABLE}
    told = sweep.make(
        "backfill", "FROM=2022-03-14", "TO=2022-03-16", AIRFLOW_CONN_POLYGON_DEFAULT=json.dumps(connection)
    )
    assert "with API key ****V4vv from the connection polygon_default" in told
    assert "The key ****a1E9 from POLYGON_API_KEY is not accepted" in told


def _by_connection(sweep: Sweep) -> None:
    sweep.rig.simulator.key = OF_CONNECTION
    connect(sweep, password=f"{OF_CONNECTION}\n")
    assert "API key ****C3cc from the connection polygon_default" in run_of(sweep, "2022-03-17", "success")
    connect(sweep, password=OF_CONNECTION, extra=json.dumps({"second": HEADER}))
    assert "API key ****C3cc from the connection polygon_default" in run_of(sweep, "2022-03-18", "success")
    sweep.rig.simulator.faults.set("2022-03-21", [{"fault": "reset", "times": 0}])
    assert "TransportTrouble" in run_of(sweep, "2022-03-21", "failed")
    sweep.rig.simulator.key = "a-key-that-nobody-has"
    assert "The key ****C3cc from the connection" in run_of(sweep, "2022-03-22", "failed")
    sweep.rig.simulator.key = OF_CONNECTION
    run = trigger_probe(sweep.api)
    log = sweep.log("probe", run)
    assert "ZeroDivisionError" in log
    assert "the password is ***" in log
    sweep.visited |= visited(sweep.api, run)


def _by_extras(sweep: Sweep) -> None:
    connect(sweep, password=OF_CONNECTION, extra=json.dumps({"headers": {"X-Key": NESTED}}))
    log = run_of(sweep, "2022-03-23", "failed")
    assert "the extra 'headers' of the connection polygon_default is no option of a session" in log
    proxies = {"proxies": {"http": f"http://user:{PROXY}@127.0.0.1:9"}}
    connect(sweep, password=OF_CONNECTION, extra=json.dumps(proxies))
    assert "Unable to connect to proxy" in run_of(sweep, "2022-03-24", "failed")


def connect(sweep: Sweep, name: str = "polygon_default", **fields: Any) -> None:
    """Store a connection, in place of the one before."""
    sweep.api._send("DELETE", f"connections/{name}", missing_ok=True)
    body = {"connection_id": name, "conn_type": "http", "host": sweep.rig.simulator.url, **fields}
    sweep.api._send("POST", "connections", json=body)


def run_of(sweep: Sweep, day: str, state: str) -> str:
    """The log of a run of one session, which ends as it should."""
    run = trigger(sweep.api, start_date=day, end_date=day, refetch=True)
    assert ended(sweep.api, run) == state
    assert ("ingest_session", 0) in instances(sweep.api, run)
    return sweep.log(DAG, run)


def trigger_probe(api: AirflowApi) -> str:
    """A run of the probe, which has failed as it should."""
    run, states = run_through(api, "probe")
    assert states == {"unexpected": "failed", "rendered": "success"}
    return run


def trigger_files(api: AirflowApi) -> str:
    """The same of the DAG that looks at a flat file."""
    run, states = run_through(api, "files")
    assert states == {"look": "failed"}
    return run


def run_through(api: AirflowApi, dag_id: str) -> tuple[str, dict[str, str]]:
    """A run of a DAG, once it has ended, and the states of its tasks."""
    run = str((api._send("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None}) or {})["dag_run_id"])
    path = f"dags/{dag_id}/dagRuns/{run}"
    assert until(lambda: (api._send("GET", path) or {})["state"] in {"success", "failed"})
    return run, {one["task_id"]: one["state"] for one in api.task_instances(dag_id, run)}


def visited(api: AirflowApi, run: str) -> dict[str, bytes]:
    """The answers of the API and of the UI's own one, by path: every GET whose parameters are known."""
    answers: dict[str, bytes] = {}
    asked: set[tuple[str, str]] = set()
    for dag_id, run_id, task_id, index in (
        (DAG, _last_run(api), "ingest_session", 0),
        (DAG, _last_run(api), "plan_sessions", -1),
        ("probe", run, "unexpected", -1),
        ("probe", run, "rendered", -1),
        ("files", _last_run(api, "files"), "look", -1),
    ):
        known = {
            **{"dag_id": dag_id, "dag_run_id": run_id, "run_id": run_id, "task_id": task_id, "map_index": index},
            **{"try_number": 1, "task_try_number": 1, "xcom_key": "return_value"},
            "connection_id": "polygon_flat_files" if dag_id == "files" else "polygon_default",
            **{"section": "core", "option": "fernet_key", "asset_id": 1, "backfill_id": 1, "version_number": 1},
            **{"pool_name": "default_pool", "event_log_id": 1},
        }
        for path in _paths():
            with suppress(KeyError):
                filled = path.format(**known)
                if (filled, dag_id) not in asked and not filled.endswith(_NOT_VISITED):
                    asked.add((filled, dag_id))
                    response = api._http.get(
                        f"{api.base_url}{filled}",
                        params={"map_index": index, "full_content": True, "dag_id": dag_id, "run_ids": run_id},
                        headers={"Connection": "close"},  # some end in an error 500, which ends the connection
                        timeout=60,
                    )
                    answers[f"{response.status_code} {filled} {dag_id}"] = response.content
    for page in (
        "/",
        f"/dags/{DAG}",
        f"/dags/{DAG}/runs/{_last_run(api)}/tasks/ingest_session/mapped/0",
        "/connections",
    ):
        answers[f"page {page}"] = api._http.get(f"{api.base_url}{page}", timeout=60).content
    return answers


def _last_run(api: AirflowApi, dag_id: str = DAG) -> str:
    found = api._send("GET", f"dags/{dag_id}/dagRuns", params={"order_by": "-run_after", "limit": 1}) or {}
    return str(found["dag_runs"][0]["dag_run_id"])


@cache
def _paths() -> list[str]:
    """Read once, by libyaml: Python's own loader takes seconds for each of four times."""
    folder = Path(airflow.__file__).parent / "api_fastapi" / "core_api" / "openapi"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    specs = [yaml.load(file.read_text(), Loader=loader)["paths"] for file in sorted(folder.glob("*.yaml"))]
    return [path for paths in specs for path, operations in paths.items() if "get" in operations]


def test_no_file_of_airflow_of_its_logs_or_of_the_lake_holds_a_key(sweep: Sweep) -> None:
    names = {str(path.relative_to(sweep.rig.folder)) for path in sweep.rig.folder.rglob("*") if path.is_file()}
    for expected in ("airflow/airflow.db", "airflow/processes.json", "airflow/process-logs/scheduler.log"):
        assert expected in names
    logs = ("logs/dag_id=spy_second_bars/", "logs/dag_id=probe/", "logs/dag_id=files/")
    for folder in ("lake/processed/", "lake/raw/", *logs):
        assert any(name.startswith(folder) for name in names), folder
    assert SEARCH.in_folder(sweep.rig.folder) == {}


def test_a_key_planted_where_the_sweep_looks_is_found(sweep: Sweep) -> None:
    planted = sweep.rig.folder / "logs" / "planted.log"
    planted.write_text(json.dumps({"event": f"Bearer {OF_ENVIRONMENT}"}))
    try:
        assert SEARCH.in_folder(sweep.rig.folder) == {"logs/planted.log": {"the key of the environment"}}
    finally:
        planted.unlink()


def test_no_value_of_the_database_holds_a_key(sweep: Sweep) -> None:
    assert SEARCH.in_database(sweep.rig.home / "airflow.db") == {}


def test_the_connection_lies_encrypted_in_the_database(sweep: Sweep) -> None:
    with closing(sqlite3.connect(sweep.rig.home / "airflow.db")) as database:
        query = "select is_encrypted, password like 'gAAAA%', extra like 'gAAAA%' from connection order by conn_id"
        assert database.execute(query).fetchall() == [(1, 1, 1), (1, 1, None)]
    assert (sweep.rig.home / "airflow.cfg").stat().st_mode & 0o077 == 0


def test_no_answer_of_the_api_and_no_page_of_the_ui_holds_a_key(sweep: Sweep) -> None:
    good = {name for name in sweep.visited if name.startswith("200 ")}
    for part in (
        "/connections/polygon_default",
        "/connections/polygon_flat_files",
        "/logs/1",
        "/xcomEntries/return_value",
        "/eventLogs ",
        "/ui/config",
    ):
        assert any(part in name for name in good), part
    assert any(name.startswith("403 /api/v2/config ") for name in sweep.visited)
    showing = {name: found for name, body in sweep.visited.items() if (found := SEARCH.in_bytes(body))}
    # Airflow's own form of a connection shows an extra whose name does not look secret, so that it can be edited.
    form = {"/api/v2/connections", "/api/v2/connections/polygon_default"}
    assert {name.split()[1]: found for name, found in showing.items()} == {
        path: {"a header in an extra"} for path in form
    }


def test_no_command_has_printed_a_key(sweep: Sweep) -> None:
    assert len(sweep.printed) > 8
    assert SEARCH.in_text(*sweep.printed) == set()


def test_no_process_was_called_with_a_key(sweep: Sweep) -> None:
    for words in ("scheduler", "api-server", "local_airflow\0backfill", "make"):
        assert any(words in line for line in sweep.called), words
    assert SEARCH.in_text(*sweep.called) == set()


def test_the_vendor_has_seen_the_keys_in_the_authorization_header_alone(sweep: Sweep) -> None:
    asked = [entry for entry in sweep.rig.simulator.requests if not entry["path"].startswith("/flatfiles/")]
    headers = {entry["authorization"] for entry in asked}
    assert headers == {f"Bearer {key}" for key in (OF_ENVIRONMENT, OF_CONNECTION, OF_VARIABLE, WRONG)}
    assert SEARCH.in_text(*(str({**entry, "authorization": ""}) for entry in asked)) == set()


def test_the_flat_files_have_seen_the_access_keys_and_no_secret(sweep: Sweep) -> None:
    asked = [entry for entry in sweep.rig.simulator.requests if entry["path"].startswith("/flatfiles/")]
    named = {entry["authorization"].partition("Credential=")[2].partition("/")[0] for entry in asked}
    assert named == {S3_ACCESS, S3_LOGIN}
    assert SEARCH.in_text(*map(str, asked)) == {"the S3 access key of the environment"}


def test_the_login_of_a_connection_stands_in_no_log(sweep: Sweep) -> None:
    search = SecretSearch({"the S3 access key of the connection": S3_LOGIN})
    assert search.in_folder(sweep.rig.folder / "logs") == {}
    assert search.in_folder(sweep.rig.home / "process-logs") == {}
    assert search.in_text(*sweep.printed) == set()


def test_the_logs_that_were_searched_are_those_that_show_the_last_four(sweep: Sweep) -> None:
    logs = "".join(path.read_text() for path in (sweep.rig.folder / "logs").rglob("*.log"))
    for key in (OF_ENVIRONMENT, OF_CONNECTION, S3_ACCESS, S3_LOGIN):
        assert f"****{key[-4:]}" in logs
    assert '"level":"debug"' in logs
    assert "urllib3.connectionpool" in logs
