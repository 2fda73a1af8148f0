"""People: who they are by the network's directory, their groups, and how they sign in."""
