"""Pure option arithmetic: contracts, hours, selection, rates, dividends, forwards, implied volatility and greeks.

Nothing here reads a file, asks an API or looks at a clock: what is needed comes as an argument.
"""
