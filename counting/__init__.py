"""The page counter: a separate program that reads what users made, so it runs alone, unprivileged and limited."""
