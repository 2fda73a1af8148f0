"""Tests of the languages that pages speak."""
