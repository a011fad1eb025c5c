"""What the environment says of proxies: read as curl reads it, by every library here, and refused by name."""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import httpx
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from conftest import KEY, RecordedElseSparse
from local_airflow.demo.folder import DemoFolder
from local_airflow.server.home import Home
from marketlake import proxies, settings
from marketlake.errors import SettingsError
from polygon_simulator.server import Simulator
from rig import PROJECT, Rig, rows

ALWAYS = "127.0.0.1,localhost,::1"
CLOSED = "http://127.0.0.1:9"
SECRET = "hunter2"


def curl_is_at_least(*wanted: int) -> bool:
    """Whether there is a curl, and one that knows networks."""
    if shutil.which("curl") is None:
        return False
    told = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    found = re.match(r"curl (\d+)\.(\d+)", told)
    return found is not None and (int(found[1]), int(found[2])) >= wanted


needs_curl = pytest.mark.skipif(not curl_is_at_least(7, 86), reason="there is no curl of 7.86 or later")


@pytest.fixture(autouse=True)
def no_proxies_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@dataclass
class Proxy:
    """A proxy on this machine: the login of every request that it was given, empty without one."""

    place: str
    logins: list[str] = field(default_factory=list)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")
            running.logins.append(base64.b64decode(login).decode())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Proxy(f"127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield running
    server.shutdown()
    server.server_close()


# NO_PROXY, what is written for it, a host, whether it goes past the proxy, and whether this is so in every curl.
# No curl before 8 compares an address of IPv6 with a network or with brackets; its documentation promises both.
LISTS = [
    ("localhost,127.0.0.1,[::1]", "localhost,127.0.0.1,::1", "[::1]", True, False),
    ("fd00::/8", ALWAYS, "[fd00::5]", True, False),
    ("[fd00::]/8,[fe80::/10]", ALWAYS, "[fe80::5]", True, False),
    ("fd00::/8", ALWAYS, "[fc00::5]", False, False),
    ("2001:DB8::0:7", f"2001:db8::7,{ALWAYS}", "[2001:db8::7]", True, False),
    ("fd00::5/128", f"fd00::5,{ALWAYS}", "[fd00::5]", True, False),
    ("fe80::1%eth0", f"fe80::1,{ALWAYS}", "[fe80::1]", True, False),
    ("[::1]:80", ALWAYS, "[fd00::80]", False, False),
    ("127.8.0.0/16", f"127.8.0.0/16,{ALWAYS}", "127.8.4.5", True, True),
    ("127.8.4.99/16", f"127.8.0.0/16,{ALWAYS}", "127.8.4.5", True, True),
    ("127.8.0.0/16", f"127.8.0.0/16,{ALWAYS}", "127.9.4.5", False, True),
    ("127.8.4.5/32", f"127.8.4.5,{ALWAYS}", "127.8.4.5", True, True),
    ("127.8.0.0/33", ALWAYS, "127.8.0.0", False, True),
    ("127.8.0.0/255.255.0.0", ALWAYS, "127.8.4.5", False, True),
    ("a.example b.example", f"a.example,b.example,{ALWAYS}", "b.example", True, True),
    ("a.example,\tb.example ,", f"a.example,b.example,{ALWAYS}", "b.example", True, True),
    (".example.com", f"example.com,{ALWAYS}", "example.com", True, True),
    (".example.com", f"example.com,{ALWAYS}", "www.example.com", True, True),
    ("example.com", f"example.com,{ALWAYS}", "notexample.com", False, True),
    ("Example.COM.", f"example.com,{ALWAYS}", "www.example.com", True, True),
    ("exämple.com", f"xn--exmple-cua.com,{ALWAYS}", "www.xn--exmple-cua.com", True, False),
    ("*", "*", "example.com", True, True),
    (" * ", "*", "example.com", True, False),
    ("other.example,*", f"other.example,{ALWAYS}", "example.com", False, True),
    ("*.example.com", ALWAYS, "www.example.com", False, True),
    ("http://example.com", ALWAYS, "example.com", False, True),
    ("user@example.com", ALWAYS, "example.com", False, True),
    ("example.com/8", ALWAYS, "example.com", False, True),
    ("a:b,example.com", f"example.com,{ALWAYS}", "example.com", True, True),
    ("a;example.com", ALWAYS, "example.com", False, True),
    ("%,[,<local>,..", ALWAYS, "example.com", False, True),
    ("other.example:8080", f"other.example:8080,{ALWAYS}", "example.com", False, True),
    ("", ALWAYS, "example.com", False, True),
]


@pytest.mark.parametrize(("given", "written", "host", "past", "curl"), LISTS)
def test_a_list_is_written_so_that_httpx_and_requests_read_it_as_curl_does(
    monkeypatch: pytest.MonkeyPatch, given: str, written: str, host: str, past: bool, curl: bool
) -> None:
    said = proxies.normalised({"NO_PROXY": given, "HTTP_PROXY": CLOSED})
    assert (said["NO_PROXY"], said["no_proxy"]) == (written, written)
    url = f"http://{host}:1/"
    # The host of the API, and of this Airflow: an address in a network that a library does not know is named.
    for name, value in proxies.normalised({"NO_PROXY": given, "HTTP_PROXY": CLOSED}, served=[url]).items():
        monkeypatch.setenv(name, value)
    with httpx.Client(verify=False) as client:
        assert (client._transport_for_url(httpx.URL(url)) is client._transport) is past
    assert (requests.utils.get_environ_proxies(url) == {}) is past


@needs_curl
@pytest.mark.parametrize(
    ("given", "host", "past"), [(given, host, past) for given, _, host, past, curl in LISTS if curl]
)
def test_curl_reads_a_list_so(proxy: Proxy, given: str, host: str, past: bool) -> None:
    asked(f"http://{proxy.place}", f"http://{host}:1/", given)
    assert len(proxy.logins) == (0 if past else 1)


def asked(proxy: str, url: str, no_proxy: str = "") -> int:
    """The exit code of a curl through a proxy. What goes past it finds this machine, whose port 1 is closed."""
    host = url.split("/")[2].rpartition(":")[0]
    command = ["curl", "--silent", "--max-time", "5", "--resolve", f"{host}:1:127.0.0.1", "--output", os.devnull, url]
    environment = {"PATH": os.environ["PATH"], "http_proxy": proxy, "no_proxy": no_proxy, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, env=environment, check=False, timeout=30).returncode


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"no_proxy": "a.example", "NO_PROXY": "b.example"}, f"a.example,{ALWAYS}"),
        ({"no_proxy": "", "NO_PROXY": "b.example"}, f"b.example,{ALWAYS}"),
        ({}, ALWAYS),
    ],
)
def test_of_two_spellings_the_lower_case_counts_unless_it_is_empty(given: dict[str, str], written: str) -> None:
    assert proxies.normalised(given) == {"NO_PROXY": written, "no_proxy": written}


def test_the_hosts_of_this_airflow_go_past_every_proxy_and_those_served_only_out_of_a_network() -> None:
    said = proxies.normalised(
        {"NO_PROXY": "10.0.0.0/8,fd00::/8"},
        direct=["http://airflow-apiserver:8080/execution/", "not an address", "http://[", ""],
        served=["https://10.1.2.3", "https://[fd00::5]:8443", "https://192.0.2.1", "https://api.massive.com"],
    )
    assert said["no_proxy"] == f"10.0.0.0/8,{ALWAYS},airflow-apiserver,10.1.2.3,fd00::5"


# A proxy's address, the login that arrives, and whether curl takes the address as it is.
ADDRESSES = [
    ("{place}", "", True),
    ("http://{place}", "", True),
    ("HTTP://{place}/path?query#fragment", "", True),
    ("http:///{place}", "", True),
    (" http://{place}\n", "", False),
    ("http://user:{secret}@{place}", f"user:{SECRET}", True),
    ("user:{secret}@{place}", f"user:{SECRET}", True),
    ("http://user:p@{secret}@{place}", f"user:p@{SECRET}", False),
    ("user:p@{secret}@{place}", f"user:p@{SECRET}", False),
    ("http://user:p%40{secret}@{place}", f"user:p@{SECRET}", True),
    ("http://user:p:{secret}@{place}", f"user:p:{SECRET}", True),
    ("http://user:100%{secret}@{place}", f"user:100%{SECRET}", True),
    ("http://user:p[{secret}@{place}", f"user:p[{SECRET}", True),
    ("http://user:p\\{secret}@{place}", f"user:p\\{SECRET}", True),
    ("http://user:p {secret}@{place}", f"user:p {SECRET}", False),
    ("http://user@{place}", "user:", True),
]


@pytest.mark.parametrize(("address", "login", "curl"), ADDRESSES)
def test_an_address_of_a_proxy_that_curl_takes_works_with_httpx_and_requests(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy, address: str, login: str, curl: bool
) -> None:
    environment = {"http_proxy": address.format(place=proxy.place, secret=SECRET)}
    proxies.require_usable(environment)
    for name, value in proxies.normalised(environment).items():
        monkeypatch.setenv(name, value)
    httpx.get("http://name.invalid/", timeout=10)
    requests.get("http://name.invalid/", timeout=10)
    assert proxy.logins == [login, login]


@needs_curl
@pytest.mark.parametrize(("address", "login", "curl"), ADDRESSES)
def test_curl_takes_an_address_so(proxy: Proxy, address: str, login: str, curl: bool) -> None:
    asked(address.format(place=proxy.place, secret=SECRET), "http://name.invalid:1/")
    assert proxy.logins == ([login] if curl else [])


FORM = (
    ". Write it as http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with  @ : / ? #  of both percent-encoded; or"
    " unset it."
)
APART = "it cannot be taken apart into user, password, host and port"
SCHEMES = "that scheme is none of a proxy: write http://, https://, socks5:// or socks5h://, or unset it."
REFUSED = [
    ("http:127.0.0.1:3128", f"=**** is no address of a proxy: {APART}{FORM}"),
    ("//127.0.0.1:3128", f"=**** is no address of a proxy: {APART}{FORM}"),
    ("http://", f"=**** is no address of a proxy: {APART}{FORM}"),
    ("http://:3128", f"=**** is no address of a proxy: {APART}{FORM}"),
    ("http://127.0.0.1:abc", f"=**** is no address of a proxy: {APART}{FORM}"),
    ("http://::1:3128", f"=**** is no address of a proxy: {APART}{FORM}"),
    ("http://a proxy:3128", f"=**** is no address of a proxy: {APART}{FORM}"),
    (f"http://user:p/{SECRET}@127.0.0.1:3128", f"=**** is no address of a proxy: {APART}{FORM}"),
    (f"http://user:p#{SECRET}@127.0.0.1:3128", f"=**** is no address of a proxy: {APART}{FORM}"),
    (f"http://user:p?{SECRET}@127.0.0.1:3128", f"=**** is no address of a proxy: {APART}{FORM}"),
    ("http://127.0.0.1:65536", f"=**** is no address of a proxy: its port is above 65535{FORM}"),
    ("http://[::1::]:3128", f"=**** is no address of a proxy: in its brackets stands no IPv6 address{FORM}"),
    ("ftp://127.0.0.1:21", f"=ftp://127.0.0.1:21: {SCHEMES}"),
    (f"quic://user:{SECRET}@127.0.0.1:21", f"=****: {SCHEMES}"),
    ('"http://127.0.0.1:3128"', f"=**** is no address of a proxy: its host is no name{FORM}"),
]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(("address", "told"), REFUSED)
def test_a_proxy_that_curl_refuses_is_refused_by_name(variable: str, address: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        proxies.require_usable({variable: address})
    assert str(caught.value) == variable + told
    assert SECRET not in told


def test_a_password_of_digits_and_a_slash_is_not_taken_for_a_port_which_would_show_the_user() -> None:
    with pytest.raises(SettingsError) as caught:
        proxies.require_usable({"HTTP_PROXY": f"http://somebody:1080/{SECRET}@127.0.0.1:3128"})
    assert str(caught.value) == f"HTTP_PROXY=**** is no address of a proxy: {APART}{FORM}"


@needs_curl
@pytest.mark.parametrize(("address", "told"), REFUSED)
def test_curl_refuses_it_too(address: str, told: str) -> None:
    unsupported_syntax, no_connection = 5, 7
    assert asked(address, "http://name.invalid:1/") in {unsupported_syntax, no_connection}, told


INSTALL = ".venv/bin/uv pip install --python .venv"


@pytest.mark.parametrize(
    ("address", "installed", "told"),
    [
        (
            "socks5h://127.0.0.1:1080",
            set(),
            "socks5h://127.0.0.1:1080: socksio and PySocks not installed, which socks5h needs: "
            f" {INSTALL} socksio PySocks, or unset it.",
        ),
        (
            f"socks5://user:{SECRET}@127.0.0.1:1080",
            {"socksio"},
            "socks5://127.0.0.1:1080: PySocks not installed, which socks5 needs: "
            f" {INSTALL} PySocks, or unset it.",
        ),
        ("socks5h://127.0.0.1:1080", {"socksio", "socks"}, ""),
        *(
            (
                f"{scheme}://127.0.0.1:1080/",
                {"socksio", "socks"},
                f"{scheme}://127.0.0.1:1080: {scheme} is not spoken by httpx, on which Airflow's tasks rely: write"
                " socks5:// or socks5h://, or unset it.",
            )
            for scheme in ("socks", "socks4", "socks4a")
        ),
    ],
)  # fmt: skip
def test_socks_is_refused_by_name_unless_what_it_needs_is_installed(
    monkeypatch: pytest.MonkeyPatch, address: str, installed: set[str], told: str
) -> None:
    def find(module: str) -> object:
        return object() if module in installed else None

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(SettingsError) if told else nullcontext() as caught:
        proxies.require_usable({"ALL_PROXY": address})
    assert told == (str(caught.value).removeprefix("ALL_PROXY=") if caught else "")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"ALL_PROXY": "", "https_proxy": " "},
        {"ALL_PROXY": "socks4://127.0.0.1:1", "NO_PROXY": "*"},
        {"https_proxy": CLOSED, "HTTPS_PROXY": "ftp://127.0.0.1"},
        {"FTP_PROXY": "ftp://127.0.0.1"},
    ],
    ids=["none", "empty", "past all", "the other spelling counts", "of nobody here"],
)
def test_a_proxy_that_nobody_would_use_is_not_refused(environment: dict[str, str]) -> None:
    proxies.require_usable(environment)


ENTRIES = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map("[{}]".format),
    st.tuples(st.ip_addresses(), st.integers(0, 130)).map("{0[0]}/{0[1]}".format),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 130)).map("[{0[0]}]/{0[1]}".format),
    st.from_regex(r"(\*?\.)?[a-zäß0-9_-]{1,9}(\.[a-z0-9-]{1,9}){0,2}\.?(:[0-9]{0,6})?(/[0-9]{0,3})?", fullmatch=True),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)


@given(
    st.lists(ENTRIES, max_size=6), st.sampled_from([",", " ", ", ", ",,"]), st.text(alphabet="[:]/.@%h1", max_size=9)
)
def test_whatever_the_list_says_httpx_starts_and_a_second_writing_changes_nothing(
    entries: list[str], separator: str, address: str
) -> None:
    said = proxies.normalised({"no_proxy": separator.join(entries)}, served=[f"http://{address}"])
    assert proxies.normalised(said, served=[f"http://{address}"]) == said
    with mock.patch.dict(os.environ, said), httpx.Client(verify=False):
        pass


@given(
    st.from_regex(
        r"(https?:/{0,3})?([a-zä@:/%\[\]\\ .]{0,8}@)?(\[?[a-z0-9:.ä_-]{0,9}\]?)(:[0-9]{0,5})?", fullmatch=True
    )
)
def test_whatever_proxy_is_not_refused_httpx_starts_and_a_second_writing_changes_nothing(address: str) -> None:
    environment = {"all_proxy": address}
    try:
        proxies.require_usable(environment)
    except SettingsError:
        return
    said = proxies.normalised(environment)
    assert proxies.normalised(said) == said
    with mock.patch.dict(os.environ, said), httpx.Client(verify=False):
        pass


def test_every_process_that_the_commands_start_is_given_the_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "[::1],fd00::/8 .corp.example")
    monkeypatch.setenv("https_proxy", "proxy.corp.example:3128")
    monkeypatch.setenv("POLYGON_BASE_URL", "https://[fd00::5]:8443")
    environment = Home.of(settings.load()).environment
    for name in ("NO_PROXY", "no_proxy"):
        assert environment[name] == "::1,corp.example,127.0.0.1,localhost,fd00::5"
    for name in ("HTTPS_PROXY", "https_proxy"):
        assert environment[name] == "http://proxy.corp.example:3128"


def test_a_demo_goes_by_no_proxy_and_keeps_a_list_that_every_library_reads(tmp_path: Path) -> None:
    told = {"ALL_PROXY": "socks5h://127.0.0.1:1", "http_proxy": CLOSED, "NO_PROXY": "localhost,127.0.0.1,[::1]"}
    with mock.patch.dict(os.environ, told):
        DemoFolder(tmp_path).use_demo_environment({})
        environment = Home.of(settings.load()).environment
    assert {name: value for name, value in environment.items() if name.lower().endswith("_proxy")} == {
        "NO_PROXY": "localhost,127.0.0.1,::1",
        "no_proxy": "localhost,127.0.0.1,::1",
    }


def in_airflow(component: str, **told: str) -> subprocess.CompletedProcess[str]:
    """What a process of Airflow that the commands did not start makes of its environment."""
    code = f"import sys; sys.argv = ['airflow', {component!r}]; import os, airflow_local_settings"
    code += "; print(os.environ['no_proxy'])"
    environment = {
        "PYTHONPATH": f"{PROJECT / 'include'}:{PROJECT / 'plugins'}",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    }
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment | told, capture_output=True, text=True, check=False
    )  # fmt: skip


def test_every_process_of_an_airflow_of_others_reads_the_list_and_reaches_its_own_api_server() -> None:
    done = in_airflow(
        "triggerer",
        NO_PROXY="[::1],fd00::/8",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL="http://airflow-apiserver:8080/execution/",
        POLYGON_BASE_URL="https://[fd00::5]",
    )
    assert done.stdout.splitlines()[-1:] == ["::1,127.0.0.1,localhost,airflow-apiserver,fd00::5"], done.stderr


@pytest.mark.parametrize(("component", "code"), [("scheduler", 1), ("worker", 1), ("api-server", 0)])
def test_what_starts_tasks_ends_at_once_with_a_proxy_by_which_each_of_them_would(component: str, code: int) -> None:
    done = in_airflow(component, ALL_PROXY=f"socks4://user:{SECRET}@127.0.0.1:1080")
    assert done.returncode == code
    told = "SettingsError: ALL_PROXY=socks4://127.0.0.1:1080: socks4 is not spoken by httpx"
    assert done.stderr.splitlines()[-1:] == [] if code == 0 else done.stderr.splitlines()[-1].startswith(told)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Simulator(RecordedElseSparse(), KEY) as simulator:
        rig = Rig(tmp_path, simulator)
        yield rig
        rig.make("down")
        assert rig.processes() == []


@pytest.mark.parametrize("command", [["up"], ["backfill", "FROM=2013-10-07", "TO=2013-10-07"]], ids=["up", "backfill"])
def test_a_command_refuses_a_proxy_in_one_line_before_anything_is_created(rig: Rig, command: list[str]) -> None:
    unusable = f"socks4://user:{SECRET}@127.0.0.1:1080"
    done = rig.make(*command, HTTPS_PROXY=unusable)
    assert done.returncode == 2
    told, of_make = done.stdout.splitlines()
    assert told == (
        "SettingsError: HTTPS_PROXY=socks4://127.0.0.1:1080: socks4 is not spoken by httpx, on which Airflow's tasks"
        " rely: write socks5:// or socks5h://, or unset it."
    )
    assert of_make.startswith("make: ***")
    assert not any(path.exists() for path in (rig.home, rig.lake, rig.folder / "logs"))
    assert rig.make("down", HTTPS_PROXY=unusable).returncode == 0


@pytest.mark.airflow
def test_a_backfill_ends_complete_with_a_list_that_only_curl_reads_and_proxies_that_nobody_answers_on(
    rig: Rig, migrated: Path
) -> None:
    rig.with_database(migrated)
    odd = {"NO_PROXY": "localhost,127.0.0.1,[::1],fd00::/8", "HTTPS_PROXY": CLOSED, "HTTP_PROXY": "127.0.0.1:9"}
    done = rig.backfill("2013-10-07", "2013-10-07", **odd)
    assert done.returncode == 0, done.stdout
    assert "SPY: 1 of 1 sessions have their partition" in done.stdout
    assert rows(rig, "select task_id, map_index, state, count(*) from task_instance group by 1, 2, 3 order by 1") == [
        ("dates_ended", -1, "skipped", 1),
        ("ingest_session", 0, "success", 1),
        ("plan_sessions", -1, "success", 1),
        ("report", -1, "skipped", 1),
    ]


@pytest.mark.airflow
def test_a_task_that_ended_before_its_own_process_began_is_told_with_the_cause(rig: Rig, migrated: Path) -> None:
    rig.with_database(migrated)
    # A certificate of a client without its key: the supervisor of a task fails over it, and nobody else looks at it.
    done = rig.backfill(
        "2013-10-07", "2013-10-07", AIRFLOW__API__CLIENT_SSL_CERT="/nowhere.pem", MARKETLAKE__TASKS__RETRIES="0"
    )
    assert done.returncode == 2, done.stdout
    log = rig.home / "process-logs" / "scheduler.log"
    assert (
        "SPY 2013-10-07  FAILED  plan_sessions ended before its own process began: ValueError: Both client_ssl_cert and"
        f" client_ssl_key must be set. ({log})"
    ) in done.stdout.splitlines()
    assert log.exists()
    assert rows(rig, "select task_id, state from task_instance where state = 'failed' order by 1") == [
        ("plan_sessions", "failed"),
        ("report", "failed"),
    ]
