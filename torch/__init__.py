"""Torch: a cron for many hosts. One YAML file in git, one small daemon per host."""

__version__ = "0.1.0"
