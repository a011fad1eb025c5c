"""``python -m marketlake …`` without a new interpreter: half a second each time that a test does not spend on imports.

A real one, with a real exit code and real pipes, is started by ``test_console`` and ``test_told_commands``.
"""

from __future__ import annotations

import io
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest


def commanded(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a user types it: no key, no ``.env``, and an address where nobody listens."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(output), redirect_stderr(errors):
        for name, value in {"MARKETLAKE_ENV_FILE": "", "POLYGON_BASE_URL": "http://127.0.0.1:9", **environment}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", ["marketlake", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("marketlake", run_name="__main__", alter_sys=True)
    code = ended.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(["marketlake", *arguments], code, output.getvalue(), errors.getvalue())
