"""torch version."""

from __future__ import annotations

import click

from torch import __version__
from torch.cli import show
from torch.cli.options import json_option


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the version of this command."""
    if as_json:
        show.document({"version": __version__})
    else:
        click.echo(f"torch {__version__}")
