"""Looking for patterns in the output of runs, in a process of its own."""
