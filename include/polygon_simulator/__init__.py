"""A stand-in for the vendor's aggregates API, for the demo and the tests.

What it serves is never real unless it replays. It can't pass for real either: whatever is fetched from
it carries its host in the certificate.
"""
