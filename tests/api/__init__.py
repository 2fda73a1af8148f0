"""Tests of the JSON API: what machines and the portal may ask, and what they are told."""
