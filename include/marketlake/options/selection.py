"""Which contracts of a chain are asked for, and why the others are not.

The rule is frozen with its reference price before a bar is fetched, and its hash stands in the certificates of what
was fetched by it: nobody can choose contracts by what happened to them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketlake.errors import BadArgument
from marketlake.options.symbol import STRIKE_UNIT, TYPES, strikes_milli

PREVIOUS_CLOSE, OPEN_0930 = REFERENCES = ("previous_close", "open_0930")
SELECTED, MONEYNESS, DTE, TYPE, MAX_CONTRACTS = REASONS = ("selected", "moneyness", "dte", "type", "max_contracts")
"""Why a contract is selected or not; of several reasons against it the first in this order."""

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class SelectionRule:
    """Which contracts are selected. Every bound is included.

    ``-moneyness_below <= strike / reference - 1 <= moneyness_above`` (0.05 is 5 %), ``dte_min <= calendar days from
    session to expiration <= dte_max``, ``types`` of call and put; if more than ``max_contracts`` remain, the strikes
    farthest from the reference go first. ``reference``: which price that is, one of ``REFERENCES``. Raises BadArgument,
    which names the field.
    """

    moneyness_below: float = 0.05
    moneyness_above: float = 0.05
    dte_min: int = 0
    dte_max: int = 45
    types: tuple[str, ...] = TYPES
    reference: str = PREVIOUS_CLOSE
    max_contracts: int = 5000

    def __post_init__(self) -> None:
        for name, end in (("moneyness_below", 1), ("moneyness_above", 100)):
            if not 0 <= getattr(self, name) <= end:
                raise BadArgument(f"{name}={getattr(self, name)} is no share from 0 to {end}: 0.05 is 5 %.")
            object.__setattr__(self, name, float(getattr(self, name)))
        if not 0 <= self.dte_min <= self.dte_max:
            raise BadArgument(f"dte_min={self.dte_min}, dte_max={self.dte_max}: calendar days, from 0, ascending.")
        if isinstance(self.types, str) or not self.types or not set(self.types) <= set(TYPES):
            raise BadArgument(f"types={self.types!r}: some of call, put.")
        object.__setattr__(self, "types", tuple(kind for kind in TYPES if kind in self.types))
        if self.reference not in REFERENCES:
            raise BadArgument(f"reference={self.reference!r} is none of {', '.join(REFERENCES)}.")
        if self.max_contracts < 1:
            raise BadArgument(f"max_contracts={self.max_contracts}: at least 1.")


@dataclass(frozen=True)
class FrozenRule:
    """A rule with all that its result depends on beside the chain, fixed before a bar is fetched.

    ``reference_usd``: the underlying's price, finite and above 0, as it was at ``reference_end_ms`` (Unix ms UTC, the
    end of the bar that it is of); ``reference_source``: which dataset or answer it is from, in words; ``chain_hash``:
    the content of the chain that it is applied to. Raises BadArgument for a price that is none.
    """

    rule: SelectionRule
    underlying: str
    session: dt.date
    reference_usd: float
    reference_end_ms: int
    reference_source: str
    chain_hash: str

    def __post_init__(self) -> None:
        _price(self.reference_usd)

    @property
    def canonical(self) -> str:
        """JSON of every field: keys ascending, no blanks, dates as YYYY-MM-DD, floats as their shortest decimals."""
        facts = asdict(self) | {"session": self.session.isoformat(), "reference_usd": float(self.reference_usd)}
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal digits."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @classmethod
    def from_canonical(cls, text: str) -> FrozenRule:
        """What ``canonical`` wrote. Raises BadArgument for anything else."""
        try:
            facts = json.loads(text)
            facts["rule"] = SelectionRule(**facts["rule"] | {"types": tuple(facts["rule"]["types"])})
            facts["session"] = dt.date.fromisoformat(facts["session"])
            frozen = cls(**facts)
        except (ValueError, TypeError, KeyError) as exc:
            raise BadArgument(f"this is no frozen rule of a selection: {exc}") from None
        if frozen.canonical != text:
            raise BadArgument("this is no frozen rule of a selection: its JSON is not the canonical one.")
        return frozen


def select(chain: pa.Table, rule: SelectionRule, reference_usd: float, session: dt.date) -> pa.Table:
    """``selected`` (bool) and ``reason`` (string) of each row of a chain, in its order.

    Columns of the chain: ``contract``, ``contract_type`` (string), ``expiration_date`` (date32), ``strike_price``
    (float64, whole thousandths of a USD). Bounds are decided on exact fractions of the decimals that are written, so
    that 0.05 of 500 USD is 25 USD. Of contracts that are equally far from the reference, the later expiration goes
    first, then the greater ticker: puts before calls, then higher strikes. Raises BadArgument for a reference that is
    no price, and for a chain with a null or a strike that is none.
    """
    strikes, days, is_type = _facts(chain, rule, session)
    reference = _price(reference_usd)
    first, last = _strike_bounds(rule, reference)
    passes = {
        MONEYNESS: (first <= strikes) & (strikes <= last),
        DTE: (rule.dte_min <= days) & (days <= rule.dte_max),
        TYPE: is_type,
    }
    reason = np.full(len(chain), SELECTED, dtype=object)
    for name in reversed(passes):
        reason[~passes[name]] = name
    candidates = np.flatnonzero(reason == SELECTED)
    if len(candidates) > rule.max_contracts:
        tickers = chain.column("contract").take(pa.array(candidates)).to_numpy()
        order = np.lexsort((tickers, days[candidates], _distance(strikes[candidates], reference)))
        reason[candidates[order[rule.max_contracts :]]] = MAX_CONTRACTS
    return pa.table({"selected": pa.array(reason == SELECTED), "reason": pa.array(reason, pa.string())})


def _facts(chain: pa.Table, rule: SelectionRule, session: dt.date) -> tuple[Integers, Integers, Mask]:
    """Strikes in thousandths, calendar days to expiration, and whether the type is one of the rule's."""
    for name in ("contract", "contract_type", "expiration_date", "strike_price"):
        if chain.column(name).null_count:
            raise BadArgument(f"{name}: a contract of the chain has none, so that nobody can say if it is selected.")
    strikes, exact = strikes_milli(chain.column("strike_price"))
    if not exact.all():
        row = int((~exact).argmax())
        contract, strike = (chain.column(name)[row].as_py() for name in ("contract", "strike_price"))
        raise BadArgument(f"{contract}: strike {strike!r} is none: whole thousandths of a USD, below 100,000.")
    days = pc.cast(chain.column("expiration_date"), pa.int32()).to_numpy().astype(np.int64)
    kinds = pc.is_in(chain.column("contract_type"), pa.array(rule.types)).to_numpy()
    return strikes, days - (session - dt.date(1970, 1, 1)).days, np.asarray(kinds, dtype=np.bool_)


def _price(reference_usd: float) -> Fraction:
    """The decimal that a price is written as, exactly."""
    if not (math.isfinite(reference_usd) and reference_usd > 0):
        raise BadArgument(f"reference_usd={reference_usd} is no price: USD, above 0.")
    return Fraction(repr(float(reference_usd)))


def _strike_bounds(rule: SelectionRule, reference: Fraction) -> tuple[int, int]:
    """The first and the last strike within the rule's moneyness, in thousandths of a USD."""
    milli = reference * STRIKE_UNIT
    below, above = (Fraction(repr(share)) for share in (rule.moneyness_below, rule.moneyness_above))
    return math.ceil(milli * (1 - below)), math.floor(milli * (1 + above))


def _distance(strikes: Integers, reference: Fraction) -> NDArray[np.int64]:
    """A rank of each strike by its distance from the reference: equal for equal distances, and exact."""
    known = np.unique(strikes)
    distances = [abs(int(strike) - reference * STRIKE_UNIT) for strike in known]
    rank = {distance: number for number, distance in enumerate(sorted(set(distances)))}
    ranks = np.array([rank[distance] for distance in distances], dtype=np.int64)
    return np.asarray(ranks[np.searchsorted(known, strikes)])
