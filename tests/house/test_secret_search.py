"""The search for secrets itself: what is planted is found, in every form and packing."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from secret_search import SecretSearch

SECRET = """a"key'+/&?%<of>-32.characters*x9"""
SEARCH = SecretSearch({"the key": SECRET, "another": "never-planted-anywhere-1234"})


def tar(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("page-0001.json.zst")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", data)
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def parquet(data: bytes, *, in_footer: bool) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({"ticker": ["SPY"] if in_footer else [data.decode()]})
    pq.write_table(table.replace_schema_metadata({"note": data}) if in_footer else table, buffer, compression="zstd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "planted",
    [
        lambda key: key,
        lambda key: json.dumps({"k": key.decode()}).encode(),
        lambda key: json.dumps(json.dumps({"k": key.decode()})).encode(),
        lambda key: quote(key, safe="").encode(),
        lambda key: quote_plus(key.decode()).encode(),
        lambda key: repr(key.decode()).encode(),
        lambda key: html.escape(key.decode()).encode(),
        lambda key: key.decode().encode("utf-16"),
        lambda key: key.decode().encode("utf-16-be"),
        lambda key: key.hex().encode(),
        *(lambda key, n=n: base64.b64encode(b"u" * n + b":" + key + b"tail") for n in range(3)),
        *(lambda key, n=n: base64.urlsafe_b64encode(b"u" * n + key) for n in range(3)),
        lambda key: gzip.compress(b"before" + key),
        lambda key: zstd(b"before" + key),
        lambda key: zlib.compress(b"before" + key),
        lambda key: tar(zstd(b'{"next_url": "' + quote(key).encode())),
        lambda key: zipped(gzip.compress(key)),
        lambda key: parquet(key, in_footer=True),
        lambda key: parquet(key, in_footer=False),
    ],
)
def test_a_planted_key_is_found_however_it_is_written(tmp_path: Path, planted: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "below" / "file"
    path.parent.mkdir()
    path.write_bytes(planted(SECRET.encode()))
    assert SEARCH.in_folder(tmp_path) == {"below/file": {"the key"}}
    path.write_bytes(planted(SECRET[:-1].encode() + b"!"))
    assert SEARCH.in_folder(tmp_path) == {}


def test_a_key_in_a_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "never-planted-anywhere-1234.log").touch()
    assert SEARCH.in_folder(tmp_path) == {"never-planted-anywhere-1234.log": {"another"}}


def test_a_key_in_a_database_is_found_also_across_pages_and_compressed(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "airflow.db") as database:
        for number in range(11):
            database.execute(f"create table t{number} (id integer, value)")
            database.execute(f"insert into t{number} values (1, 'nothing')")
        database.execute("insert into t3 values (2, ?)", ("x" * 4080 + SECRET + "x" * 5000,))
        database.execute("insert into t7 values (2, ?)", (zlib.compress(SECRET.encode()),))
    assert SEARCH.in_database(tmp_path / "airflow.db") == {"t3": {"the key"}, "t7": {"the key"}}
