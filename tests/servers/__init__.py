"""Real servers for tests: each is started on free loopback ports and stopped by its own process id."""
