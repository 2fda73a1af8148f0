"""Tests of notices and of the e-mails that carry them."""
