"""Shared accounts, limits, and what administrators do with anybody's account."""
