"""Notices: from where down people call their own purse low, and the e-mails that tell them that it is, or is empty."""
