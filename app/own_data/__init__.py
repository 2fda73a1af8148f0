"""Own data: all that an instance holds about one person, for that person to read and to take away."""
