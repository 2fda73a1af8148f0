"""What goes wrong on real sites, done to the product on purpose: the books must come through."""
