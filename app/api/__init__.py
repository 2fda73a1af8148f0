"""The frame of the JSON API: tokens, marks of access, bodies and errors."""
