"""Turning events into words."""
