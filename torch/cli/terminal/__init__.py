"""What tables, live screens and waiting look like on a terminal."""
