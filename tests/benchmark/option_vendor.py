"""The vendor's option bars of one session, made before: a process that serves them after a latency."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from benchmark.vendor import KEY
from marketlake.sessions import SessionHours
from polygon_simulator import questions
from polygon_simulator.server import Simulator

Answers = Mapping[str, bytes]
"""Bodies as they are sent, by ticker and timespan."""

_TESTS = Path(__file__).resolve().parents[1]


def prepare(
    simulator: Simulator, contracts: Sequence[str], hours: SessionHours, before: SessionHours, file: Path
) -> None:
    """Write the answers of every contract, by the minute and the day, and the underlying's of the day before."""
    answers = {"SPY/day": _answer(simulator, "SPY", "day", before)}
    for contract in contracts:
        answers[f"{contract}/minute"] = _answer(simulator, contract, "minute", hours)
        answers[f"{contract}/day"] = _answer(simulator, contract, "day", hours)
    file.write_bytes(pickle.dumps(answers))


def _answer(simulator: Simulator, contract: str, timespan: str, hours: SessionHours) -> bytes:
    path = f"/v2/aggs/ticker/{contract}/range/1/{timespan}/{hours.day_start_ms}/{hours.day_end_ms - 1}"
    question = questions.read(path, {"limit": "50000", "adjusted": "false"})
    assert isinstance(question, questions.Aggregates)
    return gzip.compress(msgspec.json.encode(simulator.page(question, "")), 1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answers: Answers
    latency_s: float

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """The prepared answer to a question for bars; 404 for any other, 401 without the key."""
        time.sleep(self.latency_s)
        parts = unquote(urlsplit(self.path).path).split("/")  # /v2/aggs/ticker/T/range/1/minute/...
        known = self.headers.get("Authorization") == f"Bearer {KEY}"
        body = self.answers.get(f"{parts[4]}/{parts[7]}", b"") if known and len(parts) > 7 else b""
        self.send_response(200 if body else 404 if known else 401)
        for name, value in (("Content-Type", "application/json"), ("Content-Encoding", "gzip")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def served(file: Path, latency_ms: float) -> Iterator[str]:
    """The base URL of a process that serves prepared answers."""
    command = [sys.executable, "-m", "benchmark.option_vendor", str(file), str(latency_ms)]
    path = os.pathsep.join([str(_TESTS / "support"), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=_TESTS, env=os.environ | {"PYTHONPATH": path}
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _serve(file: Path, latency_ms: float) -> None:
    made = {"answers": pickle.loads(file.read_bytes()), "latency_s": latency_ms / 1000}
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), made))
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), float(sys.argv[2]))
