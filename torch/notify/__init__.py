"""Sending one message on one channel, in a process of its own that soon ends."""
