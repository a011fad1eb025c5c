"""A contract's identity: the ticker of the OCC's Options Symbology Initiative, as the vendor writes it.

``O:SPY240119C00480000``: root, expiration ``yymmdd``, ``C`` or ``P``, strike in thousandths of a USD in eight digits.
A root that ends in a digit (``SPY1``) is of an adjusted contract: after a split or a spin-off it delivers something
else than 100 shares.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketlake.errors import BadArgument

CALL, PUT = TYPES = ("call", "put")
STRIKE_UNIT = 1000
"""Strikes are whole thousandths of a USD: 587.5 is 587,500."""
STRIKE_END = 100_000 * STRIKE_UNIT
"""Beyond what eight digits hold."""

_TICKER = r"^O:(?P<root>[A-Z]{1,6}|[A-Z]{1,5}[1-9])(?P<expiry>[0-9]{6})(?P<type>[CP])(?P<strike>[0-9]{8})$"
_ADJUSTED = "^O:[A-Z]{1,5}[1-9][0-9]{6}[CP][0-9]{8}$"
_PARSED = re.compile(_TICKER)
_ROOT = re.compile("[A-Z]{1,6}|[A-Z]{1,5}[1-9]")
_LETTERS = {CALL: "C", PUT: "P"}
_SHAPE = "O:ROOTyymmddC00480000 or ...P00480000"


@dataclass(frozen=True, order=True)
class Contract:
    """One option contract. ``strike_milli``: thousandths of a USD, 1 to 99,999,999; ``type``: ``call`` or ``put``.

    Ascends as the tickers of one root do: by expiration, type and strike. Raises BadArgument, which names the field.
    """

    root: str
    expiration: dt.date
    type: str
    strike_milli: int

    def __post_init__(self) -> None:
        if not _ROOT.fullmatch(self.root):
            raise BadArgument(f"root={self.root!r} is none: one to six capitals, or five and a digit if adjusted.")
        if self.type not in TYPES:
            raise BadArgument(f"type={self.type!r} is neither call nor put.")
        if not 0 < self.strike_milli < STRIKE_END:
            raise BadArgument(f"strike_milli={self.strike_milli} is none: thousandths of a USD, below {STRIKE_END}.")
        if not dt.date(2000, 1, 1) <= self.expiration <= dt.date(2099, 12, 31):
            raise BadArgument(f"expiration={self.expiration} does not fit two digits of a year of this century.")

    @property
    def ticker(self) -> str:
        """As the vendor writes it: ``O:SPY240119C00480000``."""
        return f"O:{self.root}{self.expiration:%y%m%d}{_LETTERS[self.type]}{self.strike_milli:08}"

    @property
    def strike(self) -> float:
        """USD, the float nearest to the exact figure."""
        return self.strike_milli / STRIKE_UNIT

    @property
    def adjusted(self) -> bool:
        """Whether the root's digit says that the contract delivers something else than 100 shares."""
        return self.root[-1].isdigit()


def parse(ticker: str) -> Contract:
    """The contract of a ticker. Raises BadArgument, which names the ticker and what is wrong with it."""
    found = _PARSED.fullmatch(ticker)
    if not found:
        raise BadArgument(f"{ticker!r} is no option ticker: {_SHAPE}.")
    day = found["expiry"]
    try:
        expiration = dt.date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
        return Contract(found["root"], expiration, CALL if found["type"] == "C" else PUT, int(found["strike"]))
    except ValueError as exc:  # BadArgument is one
        raise BadArgument(f"{ticker!r} is no option ticker: {exc}") from None


def strike_milli(strike: float) -> int:
    """A strike in thousandths of a USD, exactly. Raises BadArgument for what is no whole number of them."""
    milli = round(strike * STRIKE_UNIT) if 0 < strike < STRIKE_END / STRIKE_UNIT else 0
    if not milli or milli / STRIKE_UNIT != strike:
        raise BadArgument(f"strike {strike!r} is none: thousandths of a USD, above 0 and below 100,000.")
    return milli


def strikes_milli(strikes: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Strikes (float64, USD) in thousandths, and which of them are whole ones; 0 if one is not."""
    given = pc.fill_null(strikes, 0.0).to_numpy()
    within = np.where((given > 0) & (given < STRIKE_END / STRIKE_UNIT), given, 0.0)
    milli = np.rint(within * STRIKE_UNIT).astype(np.int64)
    exact = (milli > 0) & (milli / STRIKE_UNIT == given)
    return np.where(exact, milli, 0), exact


def adjusted_roots(contracts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which tickers' root ends in the digit of an adjusted contract, as ``Contract.adjusted`` says of one."""
    return pc.match_substring_regex(contracts, _ADJUSTED)


def terms(contracts: pa.Array) -> pa.Table:
    """``expiry`` (date32), ``type`` (``call`` or ``put``) and ``strike`` (float64, USD) of tickers, a row each.

    Raises BadArgument for a null, and for the first that is no option ticker.
    """
    parts = pc.extract_regex(contracts, _TICKER)
    digits = pc.binary_join_element_wise("20", pc.struct_field(parts, "expiry"), "")
    expiry = pc.strptime(digits, format="%Y%m%d", unit="s", error_is_null=True).cast(pa.date32())
    is_date = _known(pc.equal(pc.strftime(expiry, format="%Y%m%d"), digits))  # Arrow takes a 31 February for March
    if not is_date.all():
        parse(str(contracts[int((~is_date).argmax())]))
    milli = pc.struct_field(parts, "strike").cast(pa.int64()).to_numpy()
    kind = pc.if_else(pc.equal(pc.struct_field(parts, "type"), "C"), CALL, PUT)
    return pa.table({"expiry": expiry, "type": kind, "strike": pa.array(milli / STRIKE_UNIT, pa.float64())})


def first_disagreement(chain: pa.Table, underlying: str) -> str | None:
    """The first contract of a chain whose ticker does not say what its other columns say, in words; None: all agree.

    Columns: ``contract`` and ``contract_type`` (string), ``expiration_date`` (date32), ``strike_price`` (float64 USD);
    ``underlying`` (string) is held against the argument. The root is the underlying's name without its points,
    with a digit behind it if the contract is adjusted: ``SPYG`` is not of ``SPY``. Nulls agree with nothing.
    """
    milli, exact = strikes_milli(chain.column("strike_price"))
    parts = pc.extract_regex(chain.column("contract"), _TICKER)
    days = pc.strftime(chain.column("expiration_date"), format="%y%m%d")
    agreeing = (
        pc.equal(_without_digit(pc.struct_field(parts, "root")), underlying.replace(".", "")),
        pc.equal(chain.column("underlying"), underlying),
        pc.equal(pc.struct_field(parts, "expiry"), days),
        pc.equal(pc.struct_field(parts, "type"), _letters(chain.column("contract_type"))),
        pc.equal(pc.cast(pc.struct_field(parts, "strike"), pa.int64()), pa.array(milli)),
    )
    wrong = ~np.logical_and.reduce([exact, *(_known(one) for one in agreeing)]) if len(chain) else np.array([])
    return _in_words(chain.slice(int(wrong.argmax()), 1).to_pylist()[0], underlying) if wrong.any() else None


def _without_digit(roots: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(roots, "[1-9]$", "")


def _letters(types: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(types, CALL), "C", pc.if_else(pc.equal(types, PUT), "P", None))


def _known(agrees: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(agrees, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _in_words(row: dict[str, object], underlying: str) -> str:
    ticker, meaning = row["contract"], "no option ticker"
    try:
        contract = parse(str(ticker))
        root = contract.root[:-1] if contract.adjusted else contract.root
        if root == underlying.replace(".", ""):
            meaning = f"a {contract.type} of {contract.expiration} at {contract.strike}"
        else:
            meaning = f"of root {contract.root}"
    except BadArgument:
        pass
    return (
        f"{ticker} is {meaning}, and its fields say: {row['underlying']} {row['contract_type']} of"
        f" {row['expiration_date']} at {row['strike_price']}; {underlying} was asked for"
    )
