"""Tests of what people download about themselves."""
