"""``python -m marketlake …`` without a new interpreter: half a second each time that a test does not spend on imports.
``python -m local_airflow …`` too, as long as it ends before it starts anything.

A real one, with a real exit code and real pipes, is started by ``test_console`` and ``test_told_commands``.
"""

from __future__ import annotations

import io
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest


def commanded(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a user types it: no key, no ``.env``, and an address where nobody listens."""
    return commanded_of("marketlake", *arguments, **environment)


def commanded_of(package: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same of any package of this project. What a command does with signals is undone."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, handlers_kept(), redirect_stdout(output), redirect_stderr(errors):
        for name, value in {"MARKETLAKE_ENV_FILE": "", "POLYGON_BASE_URL": "http://127.0.0.1:9", **environment}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", [package, *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(package, run_name="__main__", alter_sys=True)
    code = ended.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess([package, *arguments], code, output.getvalue(), errors.getvalue())


@contextmanager
def handlers_kept() -> Iterator[None]:
    """What becomes of a request to end is afterwards as it was before."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
