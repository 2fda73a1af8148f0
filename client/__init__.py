"""The desktop client: a small window with one balance. Standard library only; logic apart from the toolkit."""
