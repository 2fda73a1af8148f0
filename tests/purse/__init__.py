"""Tests of the user's pages: balance, statement, and the words around them."""
