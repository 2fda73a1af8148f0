"""Unknown names: what machines reported under names that nobody has, until it is assigned to somebody or dismissed."""
