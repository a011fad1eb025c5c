"""The certificates of a session of options in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from marketlake.coverage_page.words import OF_STATES, Comparison, new_york, of_origin
from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN, OPTION_PANEL, OPTION_SELECTION
from marketlake.datasets.option_answers import FLAT_FILE, REST
from marketlake.options.pricing import NO_IV
from marketlake.options.selection import (
    DTE,
    MAX_CONTRACTS,
    MONEYNESS,
    OPEN_0930,
    TYPE,
    FrozenRule,
)
from marketlake.partitions.certificate import Certificate, State
from marketlake.rows.option_selection import ASKED_TWICE, EMPTY, NOT_SELECTED, PAGES, WHOLE_FILE, WITH_BARS

EVIDENCE_WORDS: Mapping[str, str] = {
    PAGES: "by pages of bars",
    ASKED_TWICE: "by two answers without a bar, a pause between them, and a day bar that is empty, too",
    WHOLE_FILE: "by the whole, verified file of the day",
}
REASON_WORDS: Mapping[str, str] = {
    MONEYNESS: "its strike is too far from the reference price",
    DTE: "it expires too soon or too late",
    TYPE: "its type was not asked for",
    MAX_CONTRACTS: "others are nearer to the reference price, and fill the most that are taken",
}
SOURCE_WORDS: Mapping[str, str] = {
    REST: "each selected contract was asked for by itself (rest)",
    FLAT_FILE: "the vendor's file of the day, whole, held every contract that traded (flat_file)",
}
_COMPARED = {
    "chain": "itself, and the chain of the session before",
    "contracts": "the sessions before",
    "inputs": "what it is made of",
}
_COMPLETE = {
    OPTION_CHAIN: "Complete: the listing ended, and no check was broken.",
    OPTION_SELECTION: "Complete: every selected contract has bars, or the evidence that it has none.",
    OPTION_BARS: "Complete: every selected contract was answered, and no check was broken.",
    OPTION_PANEL: "Complete: made of the chain, the bars and the underlying as they are held.",
}


def option_words(certificate: Certificate) -> list[str]:
    """A sentence a fact, of a certificate of one of the datasets of options."""
    state = certificate.state
    says = _COMPLETE[certificate.dataset] if state is State.COMPLETE else OF_STATES[state]
    return [*_OF_ROWS[certificate.dataset](certificate), says, *_made_of(certificate), *of_origin(certificate)]


def option_comparisons(certificate: Certificate) -> list[Comparison]:
    """What the rows were held against, and what came of it."""
    compared = certificate.reconciliation
    if compared is None:
        return []
    absent = [
        Comparison(_against(part), (f"Not compared: {why}.",), None) for part, why in compared.not_compared.items()
    ]
    found = [
        Comparison(_against(part), lines or ("Nothing contradicts it.",), not lines)
        for part, lines in compared.findings.items()
    ]
    return [*found, *absent]


def rule_words(frozen: FrozenRule) -> list[str]:
    """The frozen rule and its reference price, a line each."""
    rule = frozen.rule
    at = "as of" if rule.reference == OPEN_0930 else "of"
    return [
        f"Reference price {frozen.reference_usd:,.2f} USD, {at} {new_york(frozen.reference_end_ms, '%Y-%m-%d %H:%M')}"
        f" New York: {frozen.reference_source}.",
        f"Strikes from {rule.moneyness_below * 100:.4g} % below to {rule.moneyness_above * 100:.4g} % above it"
        f" ({_usd(frozen, -rule.moneyness_below)} to {_usd(frozen, rule.moneyness_above)} USD),"
        f" {rule.dte_min} to {rule.dte_max} calendar days to expiration,"
        f" {' and '.join(f'{one}s' for one in rule.types)}, {rule.max_contracts:,} contracts at most.",
        f"Frozen before a bar was fetched, with the hash {frozen.hash}.",
    ]


def counted(counts: Mapping[str, int], words: Iterable[tuple[str, str]]) -> str:
    """Counts in words, those that are 0 left out."""
    return ", ".join(f"{counts[name]:,} {text}" for name, text in words if counts.get(name))


def state_words(counts: Mapping[str, int]) -> str:
    """How many contracts are in which state."""
    words = ((WITH_BARS, "with bars"), (EMPTY, "empty with evidence"), (NOT_SELECTED, "not selected"))
    return f"{sum(counts.values()):,} contracts: {counted(counts, words)}."


def _usd(frozen: FrozenRule, share: float) -> str:
    return f"{frozen.reference_usd * (1 + share):,.2f}"


def _against(part: str) -> str:
    return _COMPARED.get(part, part.replace("_", " "))


def _counts(certificate: Certificate) -> dict[str, int]:
    return {check.name: check.count for check in certificate.checks}


def _of_chain(certificate: Certificate) -> Iterator[str]:
    counts = _counts(certificate)
    yield (
        f"{certificate.rows:,} contracts were listed; {counts.get('contracts_not_standard', 0):,} of them are adjusted,"
        f" {counts.get('contracts_listed_anew', 0):,} new on the day."
    )


def _of_selection(certificate: Certificate) -> Iterator[str]:
    counts = {name.removeprefix("contracts_"): count for name, count in _counts(certificate).items()}
    yield state_words({name: counts.get(name, 0) for name in (WITH_BARS, EMPTY, NOT_SELECTED)})


def _of_bars(certificate: Certificate) -> Iterator[str]:
    if not certificate.rows:
        yield "No bars: not one of the selected contracts traded."
        return
    first, last = (new_york(at, "%H:%M:%S") for at in (certificate.first_timestamp, certificate.last_timestamp))
    size = f" of one {certificate.basis['bar_size']}" if "bar_size" in certificate.basis else ""
    trades = f" in {certificate.transactions:,} trades" if certificate.transactions else ""
    yield f"{certificate.rows:,} bars{size}, the first at {first} and the last at {last} New York."
    yield f"{certificate.volume:,.12g} contracts changed hands{trades}."


def _of_panel(certificate: Certificate) -> Iterator[str]:
    counts = _counts(certificate)
    without = sum(counts.get(f"no_iv_{reason}", 0) for reason in NO_IV)
    yield f"{certificate.rows:,} rows, {certificate.rows - without:,} of them with implied volatility."


_OF_ROWS: Mapping[str, Callable[[Certificate], Iterator[str]]] = {
    OPTION_CHAIN: _of_chain,
    OPTION_SELECTION: _of_selection,
    OPTION_BARS: _of_bars,
    OPTION_PANEL: _of_panel,
}


def _made_of(certificate: Certificate) -> Iterator[str]:
    basis = certificate.basis
    if "source" in basis:
        yield f"Source: {SOURCE_WORDS.get(basis['source'], basis['source'])}."
    if "rates" in basis and "dividends" in basis:
        yield f"Rates: {_market_input(basis['rates'])}. Dividends: {_market_input(basis['dividends'])}."
    if certificate.inputs:
        yield f"Made of {', '.join(f'{name} {digest[:12]}' for name, digest in certificate.inputs.items())} (hashes)."


def _market_input(text: str) -> str:
    """What ``market_inputs`` wrote, in short; anything else as it is."""
    try:
        inputs = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return text
    in_short = _MARKET_INPUTS.get(str(inputs.get("source")))
    return in_short(inputs) if in_short else text


def _constant(inputs: Mapping[str, Any]) -> str:
    return (
        f"{inputs['constant_usd']:g} USD a quarter"
        if "constant_usd" in inputs
        else f"{inputs.get('constant', 0):.4g} a year"
    )


_MARKET_INPUTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "treasury": lambda inputs: f"treasury yields of {inputs.get('date')}",
    "constant": _constant,
    "none": lambda _: "none",
    "vendor": lambda inputs: (
        f"the vendor's, {len(inputs.get('paid', ()))} paid and {len(inputs.get('declared', ()))} declared by then"
    ),
}
