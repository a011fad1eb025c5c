"""A flat file as it streams: which lines are kept, and what is no whole file."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import MalformedPage
from marketlake.polygon import flat_file_sieve
from marketlake.polygon.flat_file_sieve import Sieve

HEADER = "ticker,volume,open,close,high,low,window_start,transactions"
REST = "1,2.5,2.6,2.7,2.4,1732717800000000000,1"
MINE = ("O:SPY241129C00605000", "O:SPY241129P00605000", "O:SPY1241129C00605000", "O:SPY281215C00001000")
OTHERS = (
    "O:SPYG241129C00605000", "O:SPYD241129C00605000", "O:SPX241129C00605000", "O:SPXW241129C00605000",
    "O:SP241129C00605000", "O:XSPY241129C00605000", "O:AAPL241129C00605000", "O:SPYV1241129C00605000",
)  # fmt: skip


def text_of(tickers: tuple[str, ...] | list[str]) -> str:
    return "\n".join([HEADER, *(f"{ticker},{REST}" for ticker in tickers), ""])


def sifted(packed: bytes, piece_bytes: int = 1 << 20, underlying: str = "SPY") -> tuple[int, str]:
    """How many rows there were, and what was kept."""
    sieve = Sieve(underlying)
    for start in range(0, len(packed), piece_bytes):
        sieve.take(packed[start : start + piece_bytes])
    return sieve.rows, sieve.lines().decode()


def packed(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


@pytest.mark.parametrize("piece_bytes", [1, 2, 7, 100, 1 << 20])
def test_the_lines_of_the_exact_root_are_kept_in_their_order_and_all_are_counted(piece_bytes: int) -> None:
    tickers = [*OTHERS[:3], *MINE, *OTHERS[3:], MINE[0]]
    assert sifted(packed(text_of(tickers)), piece_bytes) == (13, text_of([*MINE, MINE[0]]))


def test_a_root_is_its_tickers_letters_without_the_point() -> None:
    tickers = ["O:BRKB241129C00460000", "O:BRKA241129C00460000", "O:BRKB1241129C00460000", "O:BRK241129C00460000"]
    assert sifted(packed(text_of(tickers)), underlying="BRK.B") == (4, text_of([tickers[0], tickers[2]]))


@pytest.mark.parametrize(("rows", "tickers"), [(0, ()), (8, OTHERS)])
def test_a_file_without_a_line_of_the_underlying_keeps_its_header(rows: int, tickers: tuple[str, ...]) -> None:
    assert sifted(packed(text_of(tickers))) == (rows, text_of(()))


@given(st.lists(st.sampled_from(MINE + OTHERS)), st.integers(1, 300), st.integers(1, 40), st.integers())
def test_however_it_is_cut_the_same_lines_are_kept(
    tickers: list[str], piece_bytes: int, unpacked_bytes: int, seed: int
) -> None:
    text = text_of(tickers)
    at = random.Random(seed).randint(0, len(text))
    in_members = packed(text[:at]) + packed(text[at:])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(flat_file_sieve, "_UNPACKED_BYTES", unpacked_bytes)
        for one in (packed(text), in_members):
            assert sifted(one, piece_bytes) == (len(tickers), text_of([name for name in tickers if name in MINE]))


WHOLE = packed(text_of([*MINE, *OTHERS] * 50))


def flipped(from_the_end: int) -> bytes:
    content = bytearray(WHOLE)
    content[-from_the_end] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "its gzip stream does not end: the file is cut short"),
        (WHOLE[:-1], "its gzip stream does not end: the file is cut short"),
        (WHOLE[:100], "its gzip stream does not end: the file is cut short"),
        (WHOLE + WHOLE[:50], "its gzip stream does not end: the file is cut short"),
        (flipped(1), "it is no gzip stream, or a damaged one .*incorrect length check"),
        (flipped(8), "it is no gzip stream, or a damaged one .*incorrect data check"),
        (text_of(MINE).encode(), "it is no gzip stream, or a damaged one .*incorrect header check"),
        (WHOLE + b"\0" * 512, "it is no gzip stream, or a damaged one"),
        (zlib.compress(text_of(MINE).encode()), "it is no gzip stream, or a damaged one"),
        (packed(""), "it holds nothing, not even a header"),
        (packed(HEADER), "its last line does not end: 'ticker,volume,"),
        (packed(text_of(MINE)[:-1]), r"its last line does not end: 'O:SPY281215C00001000,1,2\.5"),
        (packed(text_of(MINE).replace("\n", "\r\n")), r"its header is 'ticker,.*transactions\\r', expected was ticker"),
        (packed(text_of(MINE).partition("\n")[2]), "its header is 'O:SPY241129C00605000,1,"),
        (packed("\n" + text_of(MINE)), "its header is ''"),
        (packed(text_of(["O:SPY24X129C00605000"])), "a line is of no contract: 'O:SPY24X129C00605000,1,2"),
        (packed(text_of([*MINE, "O:SPY241129C0605000", *MINE])), "a line is of no contract: 'O:SPY241129C0605000,1"),
        (packed(text_of(["O:SPY12241129C00605000"])), "a line is of no contract: 'O:SPY12241129C00605000,1"),
        (packed(HEADER + "\n" + "x" * 20_000), "it is no CSV of bars: a line begins 'xxxx"),
    ],
    ids=lambda given: given if isinstance(given, str) else f"{len(given)} bytes",
)
def test_what_is_no_whole_file_is_refused_with_the_reason(content: bytes, words: str) -> None:
    for piece_bytes in (13, 1 << 20):
        with pytest.raises(MalformedPage, match=words) as caught:
            sifted(content, piece_bytes)
        assert len(str(caught.value)) < 300
