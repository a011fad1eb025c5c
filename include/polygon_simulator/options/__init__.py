"""A made-up option market over a simulated underlying: its contracts, what they trade at, and the vol they were priced with."""
