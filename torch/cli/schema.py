"""torch schema: the JSON Schema of the task file."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of the task file, for editors and CI."""
    from torch.taskfile.schema import schema_text

    click.echo(schema_text(), nl=False)
