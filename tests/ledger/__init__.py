"""The books, on both databases."""
