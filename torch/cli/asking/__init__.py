"""Gathering what `torch explain` answers from: the history, the task file, the service."""
