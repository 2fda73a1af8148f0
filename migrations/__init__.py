"""The steps by which the database became what it is; run by `twinpurse upgrade`."""
