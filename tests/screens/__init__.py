"""docs/screens.md: what a real service shows in a real terminal, taken anew and compared.

`night` makes the hour, `stage` the service and what has happened, `terminal` is tmux, `page` the
document and what of it is compared. `make screens` writes the page.
"""
