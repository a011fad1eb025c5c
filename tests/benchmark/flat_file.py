"""A flat file of a day's whole market, fetched over S3 and sifted for SPY: seconds, rows and memory of a whole process.

The file is made up: as many rows and contracts as a day has, and packed as tightly. What is measured runs in a process
of its own, as does the server, so that neither's memory counts as the other's.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from benchmark.figures import Figure
from marketlake.sessions import new_york_ms
from polygon_simulator import s3
from polygon_simulator.flat_files import HEADER, FlatFile
from polygon_simulator.plan import Plan
from polygon_simulator.wire import Wire

DAY = dt.date(2024, 11, 27)
_KEY = "us_options_opra/minute_aggs_v1/2024/11/2024-11-27.csv.gz"
_TESTS = Path(__file__).resolve().parents[1]
_ACCESS_KEY, _SECRET = "access-key-of-the-benchmark", "secret-of-the-benchmark"
_OTHERS, _AFTER = ("AAPL", "AMD", "AMZN", "IWM", "META", "NVDA", "QQQ", "SPX", "SPXW"), ("SPYG", "TSLA", "VIX", "XLF")
_SPY_SHARE = 0.13
_ROWS_A_CONTRACT, _MINUTES = 50, 405
_EXACT = r"^O:SPY\d?\d{6}[CP]\d{8}$"
_NOW = dt.datetime(2026, 11, 20, 17, tzinfo=dt.UTC)


def flat_file(folder: Path, *, rows: int, runs: int) -> list[Figure]:
    """Our fetch, and a whole download that pyarrow reads at once. Both have to find the same rows."""
    folder.mkdir(parents=True)
    file = folder / "file.csv.gz"
    made = write(file, rows)
    found: dict[str, list[dict[str, float]]] = {"ours": [], "all at once": []}
    with served(file) as url:
        for _ in range(runs):
            for side, measured in found.items():
                measured.append(_in_a_process(side, url))
    kept = {one["kept"] for measured in found.values() for one in measured}
    assert (len(kept), {one["rows"] for one in found["ours"]}) == (1, {made}), found
    seconds, spent, peaks = (
        {side: [one[what] for one in measured] for side, measured in found.items()}
        for what in ("seconds", "cpu_s", "peak_mb")
    )
    name = f"flat file of {made:,} rows, {file.stat().st_size / 1e6:.0f} MB, {kept.pop():,.0f} of them SPY's"
    peer = "boto3 and pyarrow, all of it at once"
    rate = f"{made / min(seconds['ours']) / 1e6:.1f} million rows a second at best"
    return [
        Figure(name, "s", seconds["ours"], limit=5, note=rate),
        Figure(name, "s", seconds["ours"], peer, seconds["all at once"]),
        Figure(f"{name}: CPU", "s", spent["ours"], peer, spent["all at once"]),
        Figure(f"{name}: peak of the process", "MB", peaks["ours"], limit=600),
        Figure(f"{name}: peak of the process", "MB", peaks["ours"], peer, peaks["all at once"]),
    ]


def write(file: Path, rows: int) -> int:
    """Write a file of about that many rows. Returns how many it has."""
    chance, written = np.random.default_rng(7), 0
    of_spy = int(rows * _SPY_SHARE)
    shares = [(root, (rows - of_spy) // (len(_OTHERS) + len(_AFTER))) for root in (*_OTHERS, *_AFTER)]
    roots = [*shares[: len(_OTHERS)], ("SPY", of_spy), *shares[len(_OTHERS) :]]
    with gzip.GzipFile(file, "wb", 6, mtime=0) as packed:
        packed.write(f"{HEADER}\n".encode())
        for root, share in roots:
            for number in range(max(1, share // _ROWS_A_CONTRACT)):
                lines = _lines(chance, root, number, max(1, share // _ROWS_A_CONTRACT))
                written += len(lines)
                packed.write("".join(lines).encode())
    return written


def _lines(chance: np.random.Generator, root: str, number: int, contracts: int) -> list[str]:
    """One contract's bars: minutes here and there, prices that walk by cents."""
    day, strike = divmod(number, max(1, contracts // 16))
    expiration = DAY + dt.timedelta(days=2 + 3 * day)
    ticker = f"O:{root}{expiration:%y%m%d}{'CP'[strike % 2]}{(100 + strike) * 1000:08}"
    minutes = np.sort(chance.choice(_MINUTES, min(_MINUTES, 1 + chance.poisson(_ROWS_A_CONTRACT - 1)), replace=False))
    starts = (new_york_ms(DAY, dt.time(9, 30)) + minutes * 60_000) * 1_000_000
    cents = np.abs(200 + chance.integers(-3, 4, (len(minutes), 4)).cumsum(axis=0)) + 1
    volumes, trades = chance.geometric(0.1, len(minutes)), chance.geometric(0.4, len(minutes))
    columns = (starts.tolist(), volumes.tolist(), trades.tolist(), cents.tolist())
    return [
        f"{ticker},{volume},{_prices(walked)},{start},{count}\n"
        for start, volume, count, walked in zip(*columns, strict=True)
    ]


def _prices(cents: list[int]) -> str:
    """Open, close, high and low."""
    return ",".join(f"{one / 100:g}" for one in (cents[0], cents[1], max(cents), min(cents)))


class _Prepared(FlatFile):
    """A file whose ETag is reckoned once, not at every request."""

    @cached_property
    def etag(self) -> str:  # type: ignore[override]
        return super().etag


class _Files:
    """The one file, in place of those that the simulator makes."""

    def __init__(self, file: FlatFile) -> None:
        self._file = file

    def file(self, key: str, now: dt.datetime) -> FlatFile | None:
        return self._file if key == self._file.key else None


class _Handler(Wire):
    bucket: s3.Bucket

    def do_GET(self) -> None:  # noqa: N802 (http.server's)
        parts = urlsplit(self.path)
        asked = s3.Request.of("GET", parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()))
        assert asked is not None
        reply = self.bucket.reply(asked, _NOW, Plan())
        self.send_plain(reply.code, reply.body, reply.headers)


def _serve(path: str) -> None:
    file = _Prepared(_KEY, DAY, Path(path).read_bytes(), dt.datetime(2024, 11, 28, 16, tzinfo=dt.UTC))
    bucket = s3.Bucket(_Files(file), _ACCESS_KEY, lambda _: "")  # type: ignore[arg-type]
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"bucket": bucket}))
    print(server.server_address[1], flush=True)
    server.serve_forever()


@contextmanager
def served(file: Path) -> Iterator[str]:
    """The address of a process that serves a file over S3."""
    process = subprocess.Popen([*_command("serve"), str(file)], stdout=subprocess.PIPE, text=True, **_where())
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _in_a_process(side: str, url: str) -> dict[str, float]:
    done = subprocess.run([*_command(side), url], stdout=subprocess.PIPE, check=True, text=True, **_where())
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _command(what: str) -> list[str]:
    return [sys.executable, "-m", "benchmark.flat_file", what]


def _where() -> dict[str, Any]:
    path = os.pathsep.join([str(_TESTS / "support"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"cwd": _TESTS, "env": os.environ | {"PYTHONPATH": path}}


def _ours(url: str) -> dict[str, float]:
    from marketlake.polygon.flat_file_bucket import FlatFileBucket
    from marketlake.polygon.s3_bucket import S3Bucket
    from marketlake.polygon.s3_keys import S3Keys
    from marketlake.settings.option_sections import FlatFiles
    from marketlake.settings.sections import Api

    started_s = time.perf_counter()
    keys = S3Keys(_ACCESS_KEY, _SECRET, "the benchmark")
    facts, lines = FlatFileBucket(S3Bucket(keys, FlatFiles(endpoint_url=url), Api()), Api()).fetch(DAY, "SPY")
    return {"seconds": time.perf_counter() - started_s, "rows": facts.rows, "kept": lines.count(b"\n") - 1}


def _all_at_once(url: str) -> dict[str, float]:
    import pyarrow.compute as pc
    import pyarrow.csv

    started_s = time.perf_counter()
    import boto3

    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=_ACCESS_KEY, aws_secret_access_key=_SECRET
    )
    packed = client.get_object(Bucket="flatfiles", Key=_KEY)["Body"].read()
    with gzip.open(io.BytesIO(packed)) as text:
        table = pyarrow.csv.read_csv(text)
    kept = table.filter(pc.match_substring_regex(table.column("ticker"), _EXACT))
    return {"seconds": time.perf_counter() - started_s, "rows": table.num_rows, "kept": kept.num_rows}


def _peak_mb() -> float:
    """Of this process since it began. What ``getrusage`` says would be its parent's."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def main(what: str, given: str) -> None:
    """Serve a file, or fetch one and print what it took: its seconds include the first import of boto3."""
    if what == "serve":
        _serve(given)
    sides: dict[str, Callable[[str], dict[str, float]]] = {"ours": _ours, "all at once": _all_at_once}
    before_s = time.process_time()
    found = sides[what](given)
    print(json.dumps(found | {"cpu_s": time.process_time() - before_s, "peak_mb": _peak_mb()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
