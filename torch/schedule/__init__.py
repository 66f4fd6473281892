"""DECIDES: what is due, what starts, what stops. No I/O, no clock, no threads, no randomness."""
