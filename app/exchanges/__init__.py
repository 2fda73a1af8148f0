"""Exchanges: the instance's half of moving value to or from a purse of another instance, led by the portal."""
