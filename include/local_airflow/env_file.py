"""``make env``: the secrets and names that ``docker-compose.yaml`` asks for, added to ``.env`` (or ``.env.demo``).

What stands in the file stays as it is. Only the standard library is needed, and what of the lake needs no more, so it
runs before anything is installed.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import secrets
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from marketlake.console import complain, say
from marketlake.env_lines import assignments, text_of
from marketlake.errors import StopAndTell
from marketlake.paths import path_of

_IMAGE_UID = 50000
"""The user of the image. Containers run as it if the host's user is root."""

_DEMO_HEAD = "# The demo of the containers, on made-up bars. Written by `make env DEMO=1`; delete it for another one.\n"


def _password() -> str:
    """Goes into URLs, so letters, digits, ``-`` and ``_`` only."""
    return secrets.token_urlsafe(24)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _uid() -> str:
    return str(os.getuid() or _IMAGE_UID)


_CONTAINERS: dict[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": _password,
    "REDIS_PASSWORD": _password,
    "AIRFLOW_ADMIN_PASSWORD": _password,
    "AIRFLOW_FERNET_KEY": _fernet_key,
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_urlsafe(48),
    "AIRFLOW_API_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "AIRFLOW_UID": _uid,
}


def _demo(known: Mapping[str, str]) -> dict[str, Callable[[], str]]:
    """What the demo asks for beside. One key under two names: the tasks', and that of the simulator's service."""
    key = known.get("POLYGON_API_KEY") or f"demo-{secrets.token_urlsafe(12)}"
    return {
        "COMPOSE_PROJECT_NAME": lambda: "spy-second-bars-demo",
        "COMPOSE_PROFILES": lambda: "demo",
        "CONTAINERS_ENV_FILE": lambda: ".env.demo",
        "LAKE_FOLDER": lambda: "./.demo/containers/data",
        "AIRFLOW_PORT": lambda: "8081",
        "POLYGON_BASE_URL": lambda: "http://simulator:8000",
        "POLYGON_API_KEY": lambda: key,
        "SIMULATOR_KEY": lambda: key,
        **_CONTAINERS,
    }


def _s3(profiles: str) -> dict[str, Callable[[], str]]:
    """What a lake in the object store beside the containers asks for."""
    return {
        "COMPOSE_PROFILES": lambda: ",".join(filter(None, [profiles, "s3"])),
        "LAKE_ROOT": lambda: "s3://lake/spy",
        "MARKETLAKE__STORAGE__ENDPOINT_URL": lambda: "http://object-store:8333",
        "MARKETLAKE__STORAGE__ADDRESSING": lambda: "path",
        "AWS_REGION": lambda: "us-east-1",
        "AWS_ACCESS_KEY_ID": lambda: f"lake-{secrets.token_hex(4)}",
        "AWS_SECRET_ACCESS_KEY": _password,
        "OBJECT_STORE_ADMIN_KEY": _password,
    }


def completed(text: str, known: Mapping[str, str], wanted: Mapping[str, Callable[[], str]]) -> tuple[str, list[str]]:
    """The text with every wanted name assigned, and the names that were added. No line is changed or dropped.

    ``known`` is what the text assigns; an empty value counts as none.
    """
    missing = [name for name in wanted if not known.get(name)]
    if not missing:
        return text, []
    separator = "" if not text or text.endswith("\n") else "\n"
    lines = "".join(f"{name}={wanted[name]()}\n" for name in missing)
    return f"{text}{separator}{lines}", missing


def filled_in(template: str, wanted: Mapping[str, Callable[[], str]]) -> str:
    """A template whose ``# NAME=`` lines of wanted names are assignments."""
    return re.sub(
        r"^# ([A-Z_]+)=$",
        lambda match: f"{match[1]}={wanted[match[1]]()}" if match[1] in wanted else match[0],
        template,
        flags=re.MULTILINE,
    )


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner can read."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:  # mkstemp gives mode 600
        file.write(text)
    Path(name).replace(path)


def prepare_lake(folder: Path, uid: int) -> str:
    """Create the lake's folder, which Docker would create as root's. Returns what is left to do, if anything."""
    fresh = not folder.exists()
    if not fresh and not folder.is_dir():
        raise ValueError(f"{folder} is a file, and the lake needs a folder: move it away, or set LAKE_FOLDER.")
    folder.mkdir(parents=True, exist_ok=True)
    if fresh and os.getuid() == 0:
        os.chown(folder, uid, 0)
    if folder.stat().st_uid == uid:
        return ""
    return (
        f"\nfor docker compose only: {folder} belongs to another user than the containers':"
        f"  sudo chown -R {uid}:0 {shlex.quote(str(folder))}"
    )


def run(project: Path, *, demo: bool, s3: bool = False) -> str:
    """Complete the file of a project folder, with ``s3`` for the object store too. Returns what was done and what is
    left to do, without a secret.

    Raises SettingsError for a line that cannot be read, ValueError for a value that is no use.
    """
    path = (project / (".env.demo" if demo else ".env")).resolve()
    lines = text_of(path)
    fresh = lines is None
    if lines is None:
        lines = _DEMO_HEAD if demo else (project / ".env.example").read_text(encoding="utf-8")
    held = assignments(lines, path.name, os.environ)
    wanted = _demo(held) if demo else _CONTAINERS
    if s3:
        wanted = {**wanted, **_s3("demo" if demo else "")}
    before = filled_in(lines, wanted) if fresh else lines
    text, added = completed(before, assignments(before, path.name, os.environ), wanted)
    if fresh or added:
        write_private(path, text)
    path.chmod(0o600)
    known = {name: value for name, value in assignments(text, path.name, os.environ).items() if value}
    folder = project / path_of("LAKE_FOLDER", known.get("LAKE_FOLDER", "data"))
    left = prepare_lake(folder, _checked_uid(known["AIRFLOW_UID"]))
    key = "" if {"POLYGON_API_KEY", "MASSIVE_API_KEY"} & known.keys() else "; now put your key there as POLYGON_API_KEY"
    return f"{path.name}: {_done(fresh, added)}{key}{_profile_left(known) if s3 else ''}{left}"


def _profile_left(known: Mapping[str, str]) -> str:
    """What a file that had profiles before needs."""
    profiles = known["COMPOSE_PROFILES"]
    return "" if "s3" in profiles.split(",") else f"; now write COMPOSE_PROFILES={profiles},s3"


def _checked_uid(given: str) -> int:
    if not given.isdecimal():
        raise ValueError(f"AIRFLOW_UID={given} is no number: write what  id -u  says, or remove the line.")
    return int(given)


def _done(fresh: bool, added: list[str]) -> str:
    if fresh:
        return "written, with new secrets"
    return f"added {', '.join(added)}" if added else "nothing was missing"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make env", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="write .env.demo, for a demo without a key")
    parser.add_argument("--s3", action="store_true", help="with an object store beside the containers, for the lake")
    given = parser.parse_args()
    try:
        say(run(Path(__file__).resolve().parents[2], demo=given.demo, s3=given.s3))
    except (OSError, ValueError, StopAndTell) as exc:
        complain(f"make env: {exc}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
