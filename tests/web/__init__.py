"""Tests of the pages' frame and parts."""
