"""One container engine, and the project's containers in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
_FILE = PROJECT / "docker-compose.yaml"
_SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text())["services"]
_UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_COMMAND_S = 300


class EngineTrouble(Exception):
    """A command of the engine failed; its last lines say why."""


@dataclass(frozen=True)
class Engine:
    """``program`` is docker or podman, ``compose`` the command that reads the compose file."""

    program: str
    compose: tuple[str, ...]
    env_file: Path
    project: str

    def composed(self, *words: str, limit_s: int = 1_800) -> str:
        """Run a command of Compose over the project's file. What it printed."""
        return self._run([*self.compose, "-f", str(_FILE), "--env-file", str(self.env_file), *words], limit_s)

    def containers(self, service: str) -> list[str]:
        """The ids of the service's containers that run, by their number."""
        given = ("ps", "--filter", f"label=com.docker.compose.project={self.project}", "--filter",
                 f"label=com.docker.compose.service={service}", "--format", "{{.Names}} {{.ID}}")  # fmt: skip
        return [line.split()[1] for line in sorted(self._run([self.program, *given]).splitlines())]

    def container(self, service: str) -> str:
        """The id of the service's first container that runs."""
        running = self.containers(service)
        if not running:
            raise EngineTrouble(f"no container of {service} runs")
        return running[0]

    def execute(self, service: str, *command: str, given: bytes | None = None, limit_s: int = _COMMAND_S) -> bytes:
        """Run a command in the service's first container. What it printed."""
        words = [self.program, "exec", "-i", self.container(service), *command]
        return self._bytes(words, limit_s, given)

    def sql(self, statement: str) -> list[list[str]]:
        """The rows of a query of Airflow's database."""
        printed = self.execute("postgres", "psql", "-U", "airflow", "-At", "-F", "\t", "-c", statement, limit_s=30)
        return [line.split("\t") for line in printed.decode().splitlines()]

    def kill(self, container: str) -> None:
        """SIGKILL the container's first process from outside, as a crash would: the engine itself was asked nothing,
        so that it starts the container again by its ``restart``.
        """
        pid = self._run([self.program, "inspect", "-f", "{{.State.Pid}}", container]).strip()
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        self._run([*as_root, "kill", "-9", pid])

    def healthy(self, container: str, service: str) -> bool:
        """Whether the health check of the compose file passes now."""
        kind, *words = _SERVICES[service]["healthcheck"]["test"]
        command = [word.replace("$$", "$") for word in words]
        try:
            self._run([self.program, "exec", container, *(command if kind == "CMD" else ["sh", "-c", *command])], 60)
        except EngineTrouble:
            return False
        return True

    def memory_bytes(self) -> dict[str, float]:
        """What each running container of the project holds, by its name."""
        shown = self._run([self.program, "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"])
        found = re.findall(rf"^{self.project}[-_](\S+) ([\d.]+)([kKMG]?i?B)", shown, re.MULTILINE)
        return {name: float(number) * _UNITS[unit] for name, number, unit in found if float(number)}

    def _run(self, words: Sequence[str], limit_s: int = _COMMAND_S) -> str:
        return self._bytes(words, limit_s, None).decode(errors="replace")

    @staticmethod
    def _bytes(words: Sequence[str], limit_s: int, given: bytes | None) -> bytes:
        try:
            done = subprocess.run(
                words, check=False, input=given or b"", capture_output=True, timeout=limit_s, cwd=PROJECT
            )
        except subprocess.TimeoutExpired:
            raise EngineTrouble(f"{' '.join(words[:6])} has not ended in {limit_s} s") from None
        if done.returncode:
            said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
            raise EngineTrouble(f"{' '.join(words[:6])} ended with {done.returncode}: {' / '.join(said[-3:])}")
        return done.stdout


def found_engine() -> tuple[str, tuple[str, ...]] | None:
    """The engine that answers here and its Compose; None if there is none."""
    for program in ("docker", "podman"):
        compose = (program, "compose")
        if shutil.which(program) and _answers(program, "info") and _answers(*compose, "version"):
            return program, compose
    return None


def _answers(*words: str) -> bool:
    try:
        return not subprocess.run(words, check=False, capture_output=True, timeout=30).returncode
    except subprocess.TimeoutExpired:
        return False
