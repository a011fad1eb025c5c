"""What must hold for any bars: round trips, idempotence, and any split equals the whole."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlake.errors import MalformedPage, UndecodableBody
from marketlake.polygon import aggregates
from marketlake.polygon.fetch import raw_digest
from marketlake.redaction import redacted, redacted_url, without_secret
from marketlake.rows.bars import BARS, STOCK_BARS

PRICES = st.floats(0.01, 10_000, allow_nan=False)
BARS_OF_A_DAY = st.lists(
    st.fixed_dictionaries(
        {"t": st.integers(1_381_118_400, 1_381_204_799).map(lambda second: second * 1000)}
        | {key: PRICES for key in "ohlc"}
        | {"v": st.one_of(st.integers(0, 10**9), st.floats(0, 1e9))},
        optional={"vw": PRICES, "n": st.integers(0, 10**6), "op": st.just(1)},
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda bar: bar["t"],
).map(lambda bars: sorted(bars, key=lambda bar: bar["t"]))


def page(bars: list[dict[str, Any]], **changes: Any) -> bytes:
    body = {"ticker": "SPY", "adjusted": False, "resultsCount": len(bars), "results": bars, "status": "OK", **changes}
    return json.dumps(body).encode()


def with_ticker(table: pa.Table) -> pa.Table:
    return table.add_column(7, BARS.field("ticker"), pa.array(["SPY"] * table.num_rows)).cast(BARS)


@given(BARS_OF_A_DAY)
def test_every_value_survives_the_parse(bars: list[dict[str, Any]]) -> None:
    table = aggregates.decode(page(bars)).rows
    assert table.column("timestamp").to_pylist() == [bar["t"] for bar in bars]
    assert table.column("open").to_pylist() == [bar["o"] for bar in bars]
    assert table.column("volume_exact").to_pylist() == [float(bar["v"]) for bar in bars]
    assert table.column("volume").to_pylist() == [round(bar["v"]) for bar in bars]
    assert table.column("vwap").to_pylist() == [bar.get("vw") for bar in bars]
    assert table.column("transactions").to_pylist() == [bar.get("n") for bar in bars]


@given(BARS_OF_A_DAY, st.data())
def test_any_split_into_pages_has_the_hash_of_the_whole(bars: list[dict[str, Any]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(bars)))
    parts = [aggregates.decode(page(part)).rows for part in (bars[:cut], bars[cut:])]
    whole = with_ticker(aggregates.decode(page(bars)).rows)
    assert STOCK_BARS.content_hash(with_ticker(pa.concat_tables(parts))) == STOCK_BARS.content_hash(whole)


@given(BARS_OF_A_DAY, st.data())
def test_any_changed_value_changes_the_hash(bars: list[dict[str, Any]], data: st.DataObject) -> None:
    before = STOCK_BARS.content_hash(with_ticker(aggregates.decode(page(bars)).rows))
    row = data.draw(st.integers(0, len(bars) - 1))
    key = data.draw(st.sampled_from(["t", "o", "h", "l", "c", "v", "n"]))
    bars[row] = {**bars[row], key: bars[row].get(key, 0) + 1000}
    assert STOCK_BARS.content_hash(with_ticker(aggregates.decode(page(bars)).rows)) != before


def test_a_missing_number_and_a_zero_have_different_hashes() -> None:
    bar = {"t": 1_381_118_400_000, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}
    tables = [aggregates.decode(page([bar | extra])).rows for extra in ({}, {"n": 0}, {"vw": 0})]
    hashes = {STOCK_BARS.content_hash(with_ticker(table)) for table in tables}
    assert len(hashes) == 3


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_no_body_is_taken_for_bars_by_accident(body: bytes) -> None:
    try:
        decoded = aggregates.decode(body)
    except (MalformedPage, UndecodableBody):
        return
    assert decoded.rows.num_rows == 0


@given(BARS_OF_A_DAY, st.data())
@settings(max_examples=50)
def test_a_body_cut_anywhere_is_undecodable(bars: list[dict[str, Any]], data: st.DataObject) -> None:
    body = page(bars)
    with pytest.raises(UndecodableBody):
        aggregates.decode(body[: data.draw(st.integers(0, len(body) - 1))])


@given(st.text(min_size=12, max_size=60), st.text(max_size=40), st.text(max_size=40))
def test_a_redacted_text_never_holds_the_secret(secret: str, before: str, after: str) -> None:
    if secret not in redacted(secret):
        assert secret not in without_secret(f"{before}{secret}{after}", secret).replace(redacted(secret), "")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/p?apiKey=abcdefgh12345678&limit=5", "https://h/p?apiKey=****5678&limit=5"),
        ("https://user:pass@h/p?token=short", "https://h/p?token=****"),
        ("https://h/p?cursor=abc", "https://h/p?cursor=abc"),
    ],
)
def test_a_url_is_shown_without_its_secret(url: str, shown: str) -> None:
    assert redacted_url(url) == shown


def test_the_raw_digest_tells_two_pages_from_one() -> None:
    assert raw_digest([b"ab", b"c"]) != raw_digest([b"a", b"bc"]) != raw_digest([b"abc"])
