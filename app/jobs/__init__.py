"""Jobs: RQ queue, worker and ticker. They only wake us; what is to be done, and what was, stands in the database."""
