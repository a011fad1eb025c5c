"""The vendor of the benchmark: answers that were made before, so that serving them costs next to nothing.

The answers are the simulator's. Made while a client waits, they would cost more than what is measured. Each
is kept as gzip, as the vendor sends them; of one template day, dense or sparse, with the times of the asked one.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
import numpy as np

from benchmark.dense_days import DenseDays
from marketlake.sessions import new_york_ms
from polygon_simulator import questions
from polygon_simulator.server import Simulator
from sparse_days import SparseDays

TICKER = "SPY"
KEY = "key-of-the-benchmark-wxyz"
_TEMPLATE = dt.date(2024, 1, 16)
_TIME = re.compile(rb'"t":(\d{13})')
_TESTS = Path(__file__).resolve().parents[1]
_DIGITS = 10 ** np.arange(12, -1, -1)


def prepare(folder: Path, dense: Sequence[dt.date], sparse: Sequence[dt.date] = ()) -> None:
    """Write the answers for every session that has none in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for days, market in ((dense, DenseDays), (sparse, SparseDays)):
            absent = [day for day in days if not _file(folder, "day", day).exists()]
            list(pool.map(partial(_prepare_one, folder, market), absent, chunksize=4))


def _prepare_one(folder: Path, market: type[DenseDays] | type[SparseDays], day: dt.date) -> None:
    for timespan in questions.TIMESPANS:
        body, places, times_ms = _template(timespan, market)
        answer = body.copy()
        shifted = times_ms + (new_york_ms(day) - new_york_ms(_TEMPLATE))
        answer[places[:, None] + np.arange(13)] = shifted[:, None] // _DIGITS % 10 + ord("0")
        _file(folder, timespan, day).write_bytes(gzip.compress(answer.tobytes(), 1))


@cache
def _template(timespan: str, market: type[DenseDays] | type[SparseDays]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An answer as bytes, where its times stand in it, and the times in ms."""
    simulator = Simulator(market(), KEY)
    with simulator:
        path = f"/v2/aggs/ticker/{TICKER}/range/1/{timespan}/{_TEMPLATE}/{_TEMPLATE}"
        question = questions.read(path, {"limit": "50000", "adjusted": "false"})
        assert isinstance(question, questions.Aggregates)
        body = msgspec.json.encode(simulator.page(question, ""))
    found = list(_TIME.finditer(body))
    return (
        np.frombuffer(body, np.uint8),
        np.array([match.start(1) for match in found]),
        np.array([int(match[1]) for match in found]),
    )


def _file(folder: Path, timespan: str, day: dt.date) -> Path:
    return folder / f"{timespan}-{day}.json.gz"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """A prepared answer; 404 where there is none, 401 without the key."""
        parts = urlsplit(self.path)
        question = questions.read(parts.path, dict(parse_qsl(parts.query)))
        assert isinstance(question, questions.Aggregates)
        file = _file(self.folder, question.timespan, question.day)
        known = self.headers.get("Authorization") == f"Bearer {KEY}"
        body = file.read_bytes() if known and file.exists() else b""
        self.send_response(200 if body else 404 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The base URL of a process that serves the answers in ``folder``."""
    command = [sys.executable, "-m", "benchmark.vendor", str(folder)]
    path = os.pathsep.join([str(_TESTS / "support"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_TESTS, env=environment)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _serve(folder: Path) -> None:
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"folder": folder}))
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
