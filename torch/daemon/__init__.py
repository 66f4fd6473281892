"""DOES: the only package that touches the operating system."""
