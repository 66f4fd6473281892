"""The parts of `torch plan`, in words and as JSON."""
