"""The words of `torch explain`: what became of a fire, why, and what would change it."""
