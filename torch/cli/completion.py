"""torch completion: the lines that make a shell complete commands, options, tasks and runs.

Owns which shells there are. The scripts are click's; what they ask comes back as `_TORCH_COMPLETE`
in the environment, and is answered by torch/cli/__init__.py.
"""

from __future__ import annotations

import click

from torch.errors import UsageError

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script with which a shell completes commands, options, tasks and run ids.

    \b
    bash: in ~/.bashrc:                  eval "$(torch completion bash)"
    zsh:  in ~/.zshrc, after compinit:   eval "$(torch completion zsh)"
    fish: as in the example below
    """
    from click.shell_completion import get_completion_class

    from torch.cli import COMPLETE, torch

    made = get_completion_class(shell)
    if made is None:
        raise UsageError(f"no completion for '{shell}'", hint="known: " + ", ".join(SHELLS))
    click.echo(made(torch, {}, "torch", COMPLETE).source())
