"""A flat file as it streams: unpacked, held against what a whole one is, and sifted by the exact root of a contract."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from marketlake.errors import MalformedPage
from marketlake.polygon.flat_files import HEADER

_GZIP = 31
"""For zlib: the largest window, and a gzip header."""
_UNPACKED_BYTES = 4 << 20
"""At once: a file can be unpacked in a fraction of the memory that all of it takes."""
_LONGEST_LINE_BYTES = 10_000
_SHOWN = 80


class Sieve:
    """Takes the pieces of one file, in order, and keeps the header and the lines of one underlying's contracts.

    Those are of its own root and of the same with a digit, of an adjusted contract: of ``SPY`` neither ``SPYG`` nor
    ``SPYD``. ``rows``: lines of all contracts so far, without the header.
    """

    def __init__(self, underlying: str) -> None:
        root = b"\nO:" + re.escape(underlying.replace(".", "")).encode()
        self._claimed = re.compile(rb"(?:%b\d[^\n]*)++" % root)
        self._exact = re.compile(rb"(?:%b\d?\d{6}[CP]\d{8},[^\n]*)++" % root)
        self._root = root
        self._unpacker = zlib.decompressobj(_GZIP)
        self._line = b""
        self._kept: list[bytes] = []
        self.rows = -1

    def take(self, piece: bytes) -> None:
        """The next piece, packed. Raises MalformedPage for what no flat file is."""
        for text in self._unpacked(piece):
            self._sift(text)

    def lines(self) -> bytes:
        """The header and the lines that were kept, once the file is whole. Raises MalformedPage if it is not."""
        if not self._unpacker.eof:
            raise MalformedPage("its gzip stream does not end: the file is cut short")
        if self._line:
            raise MalformedPage(f"its last line does not end: {_shown(self._line)}")
        if self.rows < 0:
            raise MalformedPage("it holds nothing, not even a header")
        return b"".join([HEADER, *self._kept, b"\n"])

    def _unpacked(self, piece: bytes) -> Iterator[bytes]:
        """What a piece holds, a few MB at a time; one gzip member may follow another."""
        while piece:
            if self._unpacker.eof:
                self._unpacker = zlib.decompressobj(_GZIP)
            try:
                text = self._unpacker.decompress(piece, _UNPACKED_BYTES)
            except zlib.error as exc:
                raise MalformedPage(f"it is no gzip stream, or a damaged one ({exc})") from None
            yield text
            piece = self._unpacker.unconsumed_tail or self._unpacker.unused_data

    def _sift(self, text: bytes) -> None:
        """The lines that end in a text. What begins in it is kept for the next one."""
        whole, line_break, begun = text.rpartition(b"\n")
        if not line_break:
            self._line += text
        else:
            whole, self._line = self._line + whole, begun
            self._keep(self._without_header(whole) if self.rows < 0 else b"\n" + whole)
        if len(self._line) > _LONGEST_LINE_BYTES:
            raise MalformedPage(f"it is no CSV of bars: a line begins {_shown(self._line)} and does not end")

    def _without_header(self, lines: bytes) -> bytes:
        """The lines behind the first one, each with its line break before it."""
        header, line_break, rest = lines.partition(b"\n")
        if header != HEADER:
            raise MalformedPage(f"its header is {_shown(header)}, expected was {HEADER.decode()}")
        self.rows = 0
        return line_break + rest

    def _keep(self, lines: bytes) -> None:
        self.rows += lines.count(b"\n")
        if self._root not in lines:
            return
        for run in self._claimed.findall(lines):
            if not self._exact.fullmatch(run):
                raise MalformedPage(f"a line is of no contract: {_shown(self._first_strange(run))}")
            self._kept.append(run)

    def _first_strange(self, run: bytes) -> bytes:
        lines = run.removeprefix(b"\n").split(b"\n")
        return next(line for line in lines if not self._exact.fullmatch(b"\n" + line))


def _shown(line: bytes) -> str:
    """The beginning of a line, in quotes."""
    return repr(line[:_SHOWN].decode(errors="replace"))
