"""The audit of the locked packages, against a database of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT / ".ci" / "audit_dependencies.py"
ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-12345"],
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "requests", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}
PINNED = (
    "requests==2.32.5 \\\n    --hash=sha256:" + "a" * 64 + "\nurllib3==2.6.0 \\\n    --hash=sha256:" + "b" * 64 + "\n"
)


class Advisories(BaseHTTPRequestHandler):
    """Answers as OSV does: an empty object for what it knows nothing of."""

    asked: list[str]
    of: dict[str, list[dict[str, Any]]]
    gone_after: int

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(question["package"]["name"])
        found = self.of.get(question["package"]["name"], [])
        body = json.dumps({"vulns": found} if found else {}).encode()
        self.send_response(200 if len(self.asked) <= self.gone_after else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def database() -> Iterator[tuple[type[Advisories], str]]:
    handler = type("Bound", (Advisories,), {"asked": [], "of": {}, "gone_after": 10_000})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(PINNED)
    return path


def audit(url: str, *arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--osv-url", url, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_known_vulnerability_fails_with_its_name(database: tuple[type[Advisories], str], lock: Path) -> None:
    handler, url = database
    handler.of["requests"] = [ADVISORY]
    assert audit(url, lock) == (
        1,
        "requests 2.32.5: PYSEC-2026-1 (CVE-2026-12345), fixed in 99.1\n"
        f"dependencies: 2 packages looked up at {url}, 1 known vulnerabilities\n",
    )


def test_the_locks_of_the_project_are_looked_up_whole(database: tuple[type[Advisories], str]) -> None:
    handler, url = database
    code, told = audit(url)
    assert (code, told.count("\n")) == (0, 1), told
    assert {"apache-airflow", "uv", "pip-audit", "pyarrow"} <= set(handler.asked)
    assert f"{len(set(handler.asked))} packages looked up at {url}, 0 known vulnerabilities" in told


def test_a_database_out_of_reach_passes_and_says_so(lock: Path) -> None:
    url = "http://127.0.0.1:9/v1/query"
    assert audit(url, lock) == (
        0,
        f"dependencies: NOT AUDITED, {url} could not be asked (ConnectionError). Every locked package is pinned with"
        " hashes.\n",
    )


def test_a_database_that_goes_away_meanwhile_passes_and_says_so(
    database: tuple[type[Advisories], str], lock: Path
) -> None:
    handler, url = database
    handler.gone_after = 1
    code, told = audit(url, lock)
    assert (code, "NOT AUDITED" in told, "HTTPError" in told) == (0, True, True)


def test_an_audit_without_an_end_is_ended(database: tuple[type[Advisories], str], lock: Path) -> None:
    code, told = audit(database[1], "--timeout", "0", lock)
    assert (code, "no end after 0 s" in told) == (0, True)


def test_an_audit_that_breaks_on_its_own_fails(database: tuple[type[Advisories], str], tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        PINNED + "requests==2.32.4 \\\n    --hash=sha256:" + "a" * 64 + "\nno==x.y \\\n    --hash=sha256:00\n"
    )
    code, told = audit(database[1], lock)
    assert (code, "the audit itself broke" in told) == (1, True), told


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("requests==2.32.5\n", "requests==2.32.5"),
        ("requests>=2 \\\n    --hash=sha256:aa\n", "requests>=2 \\"),
        (PINNED + "evil @ https://example.com/evil.whl\n", "evil @ https://example.com/evil.whl"),
    ],
)
def test_a_package_without_version_and_hash_fails_also_without_a_database(
    tmp_path: Path, text: str, named: str
) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(text)
    assert audit("http://127.0.0.1:9/", lock) == (1, f"requirements.txt: not pinned with a hash: {named}\n")
