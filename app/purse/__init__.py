"""What a person sees of their purse: how much is left, for what it is enough, when the next credit comes."""
