"""YAML <-> Task: the task file read safely, checked whole, and every problem named."""
