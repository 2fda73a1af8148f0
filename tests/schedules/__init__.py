"""Tests of scheduled quotas."""
