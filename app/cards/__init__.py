"""Cards: codes on paper or from a till that put an amount into the purse of whoever types one first."""
