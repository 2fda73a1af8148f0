"""Measurements of the product, each beside a bare reference in the same minutes: python -m tests.bench."""
