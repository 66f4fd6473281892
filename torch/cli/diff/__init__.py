"""The parts of `torch diff`: where the old file comes from, and what changed in words."""
