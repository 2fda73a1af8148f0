"""Tests of queue, worker and ticker: whatever is killed, emptied or poisoned, each user is credited once."""
