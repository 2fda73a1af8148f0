"""Scheduled quotas: when which group is credited how much, and the runs that do it."""
