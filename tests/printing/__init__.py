"""Tests of printing: what jobs cost, what is refused, and the pages around printers."""
