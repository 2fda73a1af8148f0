"""The tests: one folder per subject, real servers in `servers`."""
