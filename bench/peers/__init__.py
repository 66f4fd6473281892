"""Ours beside the nearest peer, cronstable, on one machine in one run: `make bench-peers`."""
