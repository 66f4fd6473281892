"""Recorded runs: one SQLite file per service, one writer, any number of readers."""
