"""Refunds: people ask for the charge of a print job back, administrators decide; at most once for each job."""
