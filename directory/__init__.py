"""The network directory (LDAP or Active Directory) behind one small interface: who people are, and their groups."""
