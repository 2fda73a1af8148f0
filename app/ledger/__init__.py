"""The books: accounts, entries, holds, statements and their verification. Everything else serves them."""
