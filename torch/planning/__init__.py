"""What a task file means for a fleet, computed from the file alone: where, when, how often."""
