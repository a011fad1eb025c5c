"""Every fault of an answer and of the way to it, through the real client, server and store."""

from __future__ import annotations

import datetime as dt
import logging
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conftest import KEY
from fault_lake import DAY, Ground, contents, ground, require_whole, seen
from fault_table import FAULTS, MINUTES, UNREACHABLE, Case, Then, cases
from local_airflow.server.ports import free_port
from marketlake.errors import ComparisonLost
from marketlake.lake import Lake
from polygon_simulator.server import Simulator
from sparse_days import SparseDays

HASTY: dict[str, Any] = {"read_timeout_s": 0.5, "answer_timeout_s": 1, "attempts": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("faults")) as prepared:
        yield prepared


@pytest.fixture
def on(made: Ground) -> Ground:
    made.faithful()
    return made


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Simulator]:
    """Another server, which nobody has a reason to ask anything."""
    with Simulator(SparseDays(), KEY) as other:
        yield other


@pytest.mark.parametrize("case", list(cases(FAULTS)), ids=str)
def test_a_fault_of_an_answer(
    case: Case, on: Ground, elsewhere: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fault, place = case.fault, case.place
    lake = on.lake(tmp_path / "lake", old=case.old, **(HASTY if fault.hasty else {}))
    times = 0 if case.stays else 1 if fault.hasty else 2
    served = fault.served.format(elsewhere=elsewhere.url.replace("127.0.0.1", "localhost"))
    on.vendor.faults.set(str(DAY), [{"fault": served, "times": times, "page": place.page, "timespan": place.timespan}])
    before = contents(lake)
    if not case.stays:
        passes(case, on, lake)
        assert len(on.waits) == times
        assert place is MINUTES or f"fetched after waiting {times} times" in caplog.text
    elif place is MINUTES and case.old:  # other rows than the compared ones, and nothing to compare them with
        with pytest.raises(ComparisonLost, match=rf"the minute bars: the request failed \({fault.error.__name__}\)"):
            on.ingest(lake)
        assert contents(lake) == before
    elif place is MINUTES:
        passes(case, on, lake)
        assert f"the request failed ({fault.error.__name__})" in caplog.text
    else:
        stays(case, on, lake, before)
    require_whole(lake)
    assert KEY not in caplog.text
    assert not elsewhere.requests
    on.run_again(lake)


def passes(case: Case, on: Ground, lake: Lake) -> None:
    assert on.ingest(lake).content_hash == on.undisturbed
    assert seen(lake) == on.undisturbed


def stays(case: Case, on: Ground, lake: Lake, before: dict[str, bytes]) -> None:
    fault, place = case.fault, case.place
    with pytest.raises(fault.error, match=re.escape(fault.words)) as caught:
        on.ingest(lake)
    assert type(caught.value) is fault.error
    told = str(caught.value)
    assert told.startswith("SPY 2024-11-26: ")
    assert ("quality.accept: {SPY: {2024-11-26: [" in told) is fault.waivable
    assert "\n" not in told
    asked = [one for one in on.vendor.requests_for(DAY) if one["page"] == place.page]
    attempts = {Then.AGAIN: lake.settings.api.attempts, Then.EMPTY: 3}.get(fault.then, 1)
    assert len(asked) == attempts
    assert len(on.waits) == attempts - 1
    assert seen(lake) == on.before(old=case.old)
    after = contents(lake)
    kept = after.pop("raw-rejected/spy/date=2024-11-26/pages.tar", None)
    assert (kept is not None) is (fault.then in {Then.REFUSED, Then.EMPTY})
    assert after == before


@pytest.mark.parametrize("case", list(cases(UNREACHABLE)), ids=str)
def test_a_fault_on_the_way_to_an_answer(
    case: Case, on: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = on.lake(tmp_path / "lake", old=case.old)
    before = contents(lake)
    for base_url in addresses(case, on, tmp_path, monkeypatch):
        if not case.stays:
            assert on.ingest(lake, base_url).content_hash == on.undisturbed
            assert len(on.waits) == 2
            continue
        with pytest.raises(case.fault.error, match=case.fault.words) as caught:
            on.ingest(lake, base_url)
        assert str(caught.value).startswith("SPY 2024-11-26: page 1: no usable answer from ")
        assert len(on.waits) == 4
        assert contents(lake) == before
        assert not on.vendor.requests
    on.run_again(lake)


def addresses(case: Case, on: Ground, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The one address at which this fault is met, for as long as the caller uses it."""
    if case.fault.served == "dns":
        with monkeypatch.context() as patched:
            on.sessions.clear()  # a name is asked for by what is not connected yet
            forget_names(patched, times=0 if case.stays else 2)
            yield on.vendor.url
    elif case.fault.served == "refused":
        yield f"http://127.0.0.1:{free_port()}"
    elif case.fault.served == "plain_text":
        with serving(socketserver.TCPServer(("127.0.0.1", 0), PlainText)) as server:
            yield f"https://127.0.0.1:{server.server_address[1]}"
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(folder))
        with serving(socketserver.TCPServer(("127.0.0.1", 0), PlainText)) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            yield f"https://127.0.0.1:{server.server_address[1]}"


class PlainText(socketserver.BaseRequestHandler):
    """Says the same to everybody."""

    def handle(self) -> None:
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[socketserver.TCPServer]:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def forget_names(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """No name is found, so many times (0: for ever); then every name is this machine's."""
    asked: list[str] = []

    def answered(host: str, port: int, *arguments: Any, **named: Any) -> Any:
        asked.append(host)
        if not times or len(asked) <= times:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answered)


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    path = folder / "self-signed.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
