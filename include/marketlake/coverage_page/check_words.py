"""The checks of every dataset in plain words."""

from __future__ import annotations

_OF_BARS = {
    "outside_day": "every bar lies in the New York day",
    "off_second": "every bar begins on a whole second",
    "off_minute": "every bar begins on a whole minute",
    "duplicate_second": "no second has two bars",
    "duplicate_minute": "no minute has two bars",
    "descending": "rows stand in their order",
    "infinite_number": "every number is finite",
    "price_not_positive": "every price is positive",
    "negative_number": "no number is negative",
    "low_above_open": "no low is above its open",
    "low_above_close": "no low is above its close",
    "high_below_open": "no high is below its open",
    "high_below_close": "no high is below its close",
    "long_silence": "regular hours were never silent for too long",
    "quiet_regular_seconds": "seconds of regular hours without a trade",
    "quiet_regular_minutes": "minutes of regular hours without a trade",
    "vwap_outside_range": "bars whose vwap lies outside of low to high",
    "vwap_missing": "bars without a vwap",
    "transactions_missing": "bars that do not count their trades",
    "fractional_volume": "bars with a fraction of a share",
}

_OF_CHAINS = {
    "several_underlyings": "every contract is of one underlying",
    "expired": "no contract had expired",
    "strike_not_positive": "every strike is positive",
    "shares_not_positive": "every contract delivers shares",
    "no_near_expiry": "some contracts expire soon",
    "duplicate_contract": "no contract is listed twice",
    "ticker_disagrees": "every ticker says what its other fields say",
    "contracts_not_standard": "contracts that are adjusted, or else not standard",
    "contracts_listed_anew": "contracts that were not listed on the session before",
    "fractional_strikes": "contracts whose strike is no whole USD",
}

_OF_SELECTIONS = {
    "state_disagrees": "each contract's state, evidence and count agree",
    "contracts_bars": "contracts with bars",
    "contracts_empty": "contracts without a bar, with evidence",
    "contracts_not_selected": "contracts that were not selected",
}

_OF_OPTION_BARS = {
    "duplicate_bar": "no contract has two bars at a time",
    "outside_option_hours": "bars outside of the hours in which options trade",
}

_OF_PANELS = {
    "nan_number": "no figure is NaN",
    "iv_not_positive": "every implied volatility is positive",
    "iv_without_greeks": "whatever has an implied volatility has greeks",
    "no_iv_disagrees": "whatever has no implied volatility has the reason",
    "delta_beyond_one": "no delta is beyond one",
    "negative_greek": "no gamma and no vega is negative",
    "iv_after_expiry": "nothing that has expired has an implied volatility",
    "underlying_without_forward": "whatever has a price of the underlying has a forward",
    "parity_without_forward": "whatever has a forward by parity has one",
    "no_iv_unknown": "every reason why there is no implied volatility is one that is known",
    "below_intrinsic_disagrees": "the flag below_intrinsic agrees with that reason",
    "adjusted_contract_disagrees": "the flag adjusted_contract agrees with that reason",
    "stale_underlying_disagrees": "the flag stale_underlying agrees with the age",
    "itm_without_forward": "nothing is in the money without a forward",
    "no_iv_adjusted_contract": "rows without implied volatility: of an adjusted contract",
    "underlying_without_age": "every price of the underlying has its age",
    "negative_age": "no price of the underlying is of the future",
    "no_iv_missing": "rows without implied volatility: a figure is missing",
    "no_iv_no_price": "rows without implied volatility: the price is not above 0",
    "no_iv_expired": "rows without implied volatility: expired",
    "no_iv_below_intrinsic": "rows without implied volatility: the price is below the intrinsic value",
    "no_iv_above_maximum": "rows without implied volatility: the price is above what it can be",
    "no_iv_unsolved": "rows without implied volatility: none was found",
    "itm": "rows in the money",
    "stale_underlying": "rows whose price of the underlying is older than 60 s",
    "estimated_dividend": "rows valued with a dividend that was estimated",
    "near_ex_dividend": "rows near an ex-dividend date",
    "below_intrinsic": "rows priced below their intrinsic value",
    "after_close": "rows that end after the underlying's close",
    "adjusted_contract": "rows of adjusted contracts",
}

OF_CHECKS = _OF_BARS | _OF_CHAINS | _OF_SELECTIONS | _OF_OPTION_BARS | _OF_PANELS
"""Of a blocking check, what holds if it is passed; of the others, what is counted."""
