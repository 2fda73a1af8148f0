"""The Internet: usage from proxies, priced and booked exactly once, and who may go on."""
