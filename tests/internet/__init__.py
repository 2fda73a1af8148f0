"""Tests of what the Internet costs: rates, lists of sites, the calculator, and the pages of use."""
