"""One Twinpurse instance: a purse for what it charges, its books, its pages and its doors for machines."""
