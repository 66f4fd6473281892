"""What DESIGN section 10 measures, each figure beside its limit in the same run: `make bench`."""
