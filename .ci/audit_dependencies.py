"""Looks every locked package up in a database of known vulnerabilities, where that can be reached.

Exit code 0: none is known, or the database is out of reach and every package is pinned with hashes.
1: a vulnerability is known, each named in a line; or a package is not pinned; or the audit itself broke.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests

CI = Path(__file__).resolve().parent
LOCKS = (CI.parent / "requirements.txt", *sorted(CI.glob("requirements-*.txt")))
OSV = "https://api.osv.dev/v1/query"
_ANSWER_S = 10
_AUDIT_S = 300


def main() -> int:
    """Audit the locks; what was found is printed."""
    parser = argparse.ArgumentParser(prog="audit_dependencies", description=__doc__)
    parser.add_argument("--osv-url", default=OSV, help="where to ask (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=_AUDIT_S, help="seconds for the whole audit")
    parser.add_argument("locks", nargs="*", type=Path, default=LOCKS)
    given = parser.parse_args()
    loose = [line for lock in given.locks for line in unpinned(lock)]
    if loose:
        print(*loose, sep="\n")
        return 1
    trouble = unreachable(given.osv_url)
    if trouble:
        return _not_audited(given.osv_url, trouble)
    try:
        found = audited(given.locks, given.osv_url, given.timeout)
    except subprocess.TimeoutExpired:
        return _not_audited(given.osv_url, f"no end after {given.timeout:.0f} s")
    except AuditBroke as exc:
        trouble = unreachable(given.osv_url)  # it may have gone meanwhile
        if trouble:
            return _not_audited(given.osv_url, trouble)
        print(f"dependencies: the audit itself broke: {exc}")
        return 1
    print(*(known(package) for package in found), sep="", end="")
    count = sum(len(package["vulns"]) for package in found)
    print(f"dependencies: {len(found)} packages looked up at {given.osv_url}, {count} known vulnerabilities")
    return 1 if count else 0


class AuditBroke(Exception):
    """pip-audit gave no report, though its database answers."""


def unpinned(lock: Path) -> list[str]:
    """A line for every package of a lock that is not pinned to one version with a hash."""
    blocks = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    loose = [block for block in blocks if not re.match(r"[\w.\[\],-]+==\S+", block) or "--hash=sha256:" not in block]
    return [f"{lock.name}: not pinned with a hash: {block.splitlines()[0]}" for block in loose]


def unreachable(osv_url: str) -> str:
    """Why the database cannot be asked; empty where it answers."""
    question = {"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "26.3"}
    try:
        response = requests.post(osv_url, json=question, timeout=_ANSWER_S)
        response.raise_for_status()
        response.json()
    except (requests.RequestException, ValueError) as exc:
        return type(exc).__name__
    return ""


def audited(locks: tuple[Path, ...], osv_url: str, timeout_s: float) -> list[dict[str, Any]]:
    """The packages of the locks that this platform installs, each with what is known of it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off"]
        command += ["--vulnerability-service=osv", f"--osv-url={osv_url}", f"--cache-dir={folder}/cache"]
        command += ["--format=json", f"--output={report}", *(f"--requirement={lock}" for lock in locks)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        if not report.exists():
            raise AuditBroke((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
        return [package for package in json.loads(report.read_text())["dependencies"] if "vulns" in package]


def known(package: dict[str, Any]) -> str:
    """What is known of one package, a line each."""
    lines = []
    for one in package["vulns"]:
        aliases, fixes = ", ".join(one.get("aliases", [])), ", ".join(one["fix_versions"])
        names = f"{one['id']} ({aliases})" if aliases else one["id"]
        lines.append(f"{package['name']} {package['version']}: {names}, fixed in {fixes or 'no version'}\n")
    return "".join(lines)


def _not_audited(osv_url: str, trouble: str) -> int:
    told = f"NOT AUDITED, {osv_url} could not be asked ({trouble}). Every locked package is pinned with hashes."
    print(f"dependencies: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
