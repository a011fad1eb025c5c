"""Searches every byte of folders, databases and texts for secrets, however they are written or packed."""

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
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

_DEEPEST = 5


class SecretSearch:
    """Looks for named secrets of at least 16 characters. What it gives are the names, never the secrets."""

    def __init__(self, secrets: dict[str, str]) -> None:
        assert all(len(secret) >= 16 for secret in secrets.values())
        self._forms = {name: _forms(secret) for name, secret in secrets.items()}

    def in_bytes(self, data: bytes, depth: int = 0) -> set[str]:
        """The names of the secrets in some bytes, and in whatever is packed in them."""
        found = {name for name, forms in self._forms.items() if any(form in data for form in forms)}
        if depth < _DEEPEST:
            for below in _unpack(data):
                found |= self.in_bytes(below, depth + 1)
        return found

    def in_text(self, *texts: str) -> set[str]:
        return set().union(*(self.in_bytes(text.encode()) for text in texts))

    def in_folder(self, folder: Path) -> dict[str, set[str]]:
        """The names by file, of the files below a folder that hold any: by content, or by path."""
        held = {}
        for path in sorted(folder.rglob("*")):
            found = self.in_text(str(path.relative_to(folder)))
            with suppress(FileNotFoundError):  # a log of Airflow's journal may go while this looks
                found |= self.in_bytes(path.read_bytes()) if path.is_file() else set()
            if found:
                held[str(path.relative_to(folder))] = found
        return held

    def in_database(self, path: Path) -> dict[str, set[str]]:
        """The names by table of a SQLite database: value by value, so that none is cut by a page's end."""
        held: dict[str, set[str]] = {}
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.text_factory = bytes
            tables = [row[0].decode() for row in database.execute("select name from sqlite_master where type='table'")]
            for table in tables:
                for row in database.execute(f'select * from "{table}"'):
                    for value in row:
                        found = self.in_bytes(value if isinstance(value, bytes) else str(value).encode())
                        held.setdefault(table, set()).update(found)
        assert len(held) > 10, "this is no database of Airflow"
        return {table: found for table, found in held.items() if found}


def _forms(secret: str) -> set[bytes]:
    """The ways in which a secret may be written."""
    written = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        html.escape(secret),
        repr(secret)[1:-1],
    }
    forms = {text.encode() for text in written}
    for data in list(forms):
        forms |= {data.hex().encode(), data.hex().upper().encode()}
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le"):
        forms.add(secret.encode(encoding))
    for data in (secret.encode(), secret.encode("utf-16-le")):
        forms |= {encode(data, offset) for encode in _BASE64 for offset in range(3)}
    return forms


def _inner_base64(data: bytes, offset: int) -> bytes:
    """The characters that depend on ``data`` alone, where ``offset`` bytes of something else stand before it."""
    encoded = base64.b64encode(b"\0" * offset + data)
    start = -(-8 * offset // 6)
    return encoded[start : (offset + len(data)) * 8 // 6]


def _inner_url_base64(data: bytes, offset: int) -> bytes:
    return _inner_base64(data, offset).translate(bytes.maketrans(b"+/", b"-_"))


_BASE64 = (_inner_base64, _inner_url_base64)


def _unpack(data: bytes) -> Iterator[bytes]:
    """What is packed in some bytes; nothing where they are no archive and not compressed."""
    if data[:2] == b"\x1f\x8b":
        yield _of_gzip(data)
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        with suppress(OSError):
            yield pa.CompressedInputStream(pa.py_buffer(data), "zstd").read()
    elif data[:1] == b"\x78":
        with suppress(zlib.error):
            yield zlib.decompress(data)
    elif data[:4] == b"PAR1":
        yield from _of_parquet(data)
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                file = archive.extractfile(member)
                yield file.read() if file else b""


def _of_gzip(data: bytes) -> bytes:
    with suppress(OSError, EOFError):
        return gzip.decompress(data)
    return b""


def _of_parquet(data: bytes) -> Iterator[bytes]:
    """The footer's own texts, and every text of the columns."""
    file = pq.ParquetFile(io.BytesIO(data))
    for key, value in (file.metadata.metadata or {}).items():
        yield key + b"=" + value
    for field in file.schema_arrow:
        yield json.dumps({str(key): str(value) for key, value in (field.metadata or {}).items()}).encode()
        if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type):
            yield "\n".join(map(str, file.read([field.name]).column(0).unique().to_pylist())).encode()
