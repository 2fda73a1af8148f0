"""Tests of the directory: against OpenLDAP, the demo's directory, and the in-memory twin."""
