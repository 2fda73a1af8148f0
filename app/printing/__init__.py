"""Printing: jobs of real queues, what they cost, and their holds in the books."""
