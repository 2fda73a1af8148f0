"""Transfers: a person gives an amount of their own purse to somebody else, where the instance allows it."""
