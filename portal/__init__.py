"""The intranet portal: signs people in once, and shows what each instance says of their purse. It keeps no balance."""
