"""Tests of signing in, sessions, and the administrators' pages of people."""
