"""Other schedulers' files -> a task file. Pure: text in, text and what could not be mapped out."""
