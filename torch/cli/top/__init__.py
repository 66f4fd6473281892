"""`torch top`: the board that it draws."""
