"""The reaper: its parts, and a real one that is spoken to."""
