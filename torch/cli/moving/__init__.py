"""What `torch import` reads: files, directories, and the crontabs of several hosts."""
