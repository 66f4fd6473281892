"""What `top`, `status` and `logs` read of a host: runs, their use, their output."""
