"""A made-up option market over a simulated underlying: contracts, their bars, and what those were priced with."""
