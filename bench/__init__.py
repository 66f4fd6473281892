"""What Torch promises in numbers, each figure beside its limit in the same run: `make bench`."""
