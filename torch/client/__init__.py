"""What speaks to a service from outside, or reads what it leaves: for every program."""
