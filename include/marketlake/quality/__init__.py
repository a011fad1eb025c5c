"""Judging rows: their checks, and what they are held against."""
