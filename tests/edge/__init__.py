"""Tests of what runs beside CUPS and Squid."""
