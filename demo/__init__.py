"""What only the demo needs: a directory of its own, so that a fresh machine can show the whole product."""
