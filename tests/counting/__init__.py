"""Tests of the page counter."""
