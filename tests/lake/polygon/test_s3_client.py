"""A client of S3 that nothing on the machine changes, that asks once, and that no two processes share."""

from __future__ import annotations

import builtins
import datetime as dt
import logging
import os
import socketserver
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, NOW
from flat_file_lake import SECRET, a_bucket
from local_airflow.server.ports import free_port
from marketlake.errors import EngineMissing, MarketLakeError, ServerTrouble, TransportTrouble
from marketlake.polygon.s3_client import S3Client
from marketlake.polygon.s3_keys import S3Keys
from marketlake.settings.sections import Api
from polygon_simulator.server import S3_ACCESS_KEY, Simulator
from smooth_days import SmoothDays

WEDNESDAY = dt.date(2024, 11, 27)
HOLIDAY = dt.date(2024, 11, 28)
PASSWORD = "hunter2-of-the-proxy"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as running:
        yield running


class Recorder(BaseHTTPRequestHandler):
    """Answers with a code and a body to everybody, and keeps what was asked."""

    asked: list[tuple[str, dict[str, str]]]
    code, body = 500, b""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_PUT = do_HEAD = do_GET  # noqa: N815


@contextmanager
def recorder(code: int = 500, body: bytes = b"") -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    handler = type("Bound", (Recorder,), {"asked": [], "code": code, "body": body})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
    finally:
        server.shutdown()
        server.server_close()


def test_an_address_is_path_style_signed_by_version_4_and_asked_for_once() -> None:
    api = Api(attempts=1)
    with recorder() as (url, asked), pytest.raises(ServerTrouble):
        a_bucket(url, api).announced(WEDNESDAY)
    ((path, headers),) = asked
    assert path == "/flatfiles/us_options_opra/minute_aggs_v1/2024/11/2024-11-27.csv.gz"
    assert headers["range"] == "bytes=0-0"
    signed = headers["authorization"]
    assert signed.startswith(f"AWS4-HMAC-SHA256 Credential={S3_ACCESS_KEY}/")
    assert "/us-east-1/s3/aws4_request, SignedHeaders=host;" in signed
    assert SECRET not in str(headers)


def test_an_etag_is_asked_for_as_it_was_announced(simulator: Simulator) -> None:
    with recorder() as (url, asked):
        bucket = a_bucket(url, Api(attempts=1))._bucket
        with pytest.raises(ServerTrouble), bucket.part("a/key", "a test", first=7, etag="abc"):
            raise AssertionError("not reached")
    assert (asked[0][1]["range"], asked[0][1]["if-match"]) == ("bytes=7-", '"abc"')


OF_THE_MACHINE = {
    "AWS_ACCESS_KEY_ID": "key-of-the-machine",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-machine",
    "AWS_SESSION_TOKEN": "token-of-the-machine",
    "AWS_PROFILE": "no-such-profile",
    "AWS_DEFAULT_PROFILE": "no-such-profile",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_MAX_ATTEMPTS": "9",
    "AWS_RETRY_MODE": "adaptive",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_S3_USE_ARN_REGION": "true",
    "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS": "true",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_supported",
    "AWS_EC2_METADATA_DISABLED": "false",
}


def test_nothing_that_the_machine_says_of_aws_changes_a_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:9\ns3 =\n  addressing_style = virtual\n"
    )
    with recorder() as (elsewhere, not_asked), recorder() as (url, asked):
        given = OF_THE_MACHINE | {
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(config),
            "AWS_ENDPOINT_URL": elsewhere,
            "AWS_ENDPOINT_URL_S3": elsewhere,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": elsewhere,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{elsewhere}/credentials",
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ServerTrouble):
            a_bucket(url, Api(attempts=1)).announced(WEDNESDAY)
    ((path, headers),) = asked
    assert path == "/flatfiles/us_options_opra/minute_aggs_v1/2024/11/2024-11-27.csv.gz"
    assert f"Credential={S3_ACCESS_KEY}/" in headers["authorization"]
    assert "/us-east-1/s3/" in headers["authorization"]
    assert {"x-amz-security-token", "x-amz-checksum-mode"} & headers.keys() == set()
    assert not_asked == []


def test_a_proxy_of_the_environment_is_used_as_for_the_rest_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    with recorder() as (proxy, asked):
        monkeypatch.setenv("ALL_PROXY", proxy.replace("http://", f"http://user:{PASSWORD}@"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(ServerTrouble):
            a_bucket("http://simulator:8000", Api(attempts=1)).announced(WEDNESDAY)
    ((path, headers),) = asked
    assert path.startswith("http://simulator:8000/flatfiles/")
    assert headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://user:{PASSWORD}@127.0.0.1:9",
        f"http://user:{PASSWORD}@127.0.0.1:bad",
        f"http://[{PASSWORD}@127.0.0.1:9",
        f"http://user:{PASSWORD}@no.such.host.invalid:3128",
        f"socks5://user:{PASSWORD}@127.0.0.1:9",
    ],
)
def test_a_proxy_that_fails_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, proxy: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(TransportTrouble, match="no usable answer for s3://flatfiles/") as caught:
        a_bucket("http://simulator:8000", Api(attempts=2)).announced(WEDNESDAY)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in caplog.text


class Reset(socketserver.BaseRequestHandler):
    """Closes at once."""

    def handle(self) -> None:
        self.request.close()


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (403, f"<Error><Code>SignatureDoesNotMatch</Code><Message>{SECRET} of {S3_ACCESS_KEY}</Message></Error>"),
        (400, f"<Error><Code>{SECRET}</Code><Message>?key={SECRET}</Message></Error>"),
        (403, f"<html>{SECRET}</html>"),
        (200, f"<html>{SECRET}</html>"),
        (302, f"<Error><Code>{S3_ACCESS_KEY}</Code>"),
    ],
)
def test_an_answer_is_told_without_the_keys_and_without_its_chain(code: int, body: str) -> None:
    with recorder(code, body.encode()) as (url, _), pytest.raises(MarketLakeError) as caught:
        a_bucket(url, Api(attempts=1)).announced(WEDNESDAY)
    told = "".join(traceback.format_exception(caught.value))
    for secret in (SECRET, S3_ACCESS_KEY):
        assert secret not in told


@pytest.mark.parametrize("kind", ["nobody", "no_tls", "no_host"])
def test_a_fault_on_the_way_is_tried_again_and_told(kind: str) -> None:
    waits: list[float] = []
    with socketserver.TCPServer(("127.0.0.1", 0), Reset) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        url = {
            "nobody": f"http://127.0.0.1:{free_port()}",
            "no_tls": f"https://127.0.0.1:{port}",
            "no_host": "https://no.such.host.invalid",
        }[kind]
        with pytest.raises(TransportTrouble) as caught:
            a_bucket(url, waits=waits).announced(WEDNESDAY)
        server.shutdown()
    told = str(caught.value)
    assert told.startswith("2024-11-27 flat file: no usable answer for s3://flatfiles/us_options_opra")
    assert "Check the network, its proxy and options.flat_files.endpoint_url." in told
    assert len(waits) == 4


def test_at_debug_neither_key_nor_signature_is_logged(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")  # which a lake in a bucket makes silent
    a_bucket(simulator.url, keys=S3Keys(S3_ACCESS_KEY, SECRET, "a test")).announced(WEDNESDAY)
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    for secret in (SECRET, S3_ACCESS_KEY, "Signature"):
        assert secret not in caplog.text


def test_a_process_that_was_forked_has_a_client_of_its_own(simulator: Simulator) -> None:
    client = S3Client(S3Keys(S3_ACCESS_KEY, SECRET, "a test"), simulator.url, Api())
    own = client.own()
    assert client.own() is own
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, b"same" if client.own() is own else b"its own")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reads, 100) == b"its own"
    assert client.own() is own


def test_without_boto3_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "boto3":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.partition(".")[0] == "boto3"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EngineMissing, match="boto3 is not installed: python -m pip install boto3"):
        a_bucket("http://127.0.0.1:9").announced(WEDNESDAY)
