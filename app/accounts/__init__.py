"""Accounts as administrators see them: shared ones, limits, adjustments and reversals of anybody's."""
