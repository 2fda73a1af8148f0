"""The door for desktop clients: sign in once with network credentials, then read one's own balance."""
