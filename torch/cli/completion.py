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
    """Print what a shell needs to complete commands, options, names of tasks and ids of runs.

    bash: eval "$(torch completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, after compinit;
    fish: torch completion fish > ~/.config/fish/completions/torch.fish
    """
    from click.shell_completion import get_completion_class

    from torch.cli import COMPLETE, torch

    made = get_completion_class(shell)
    if made is None:
        raise UsageError(f"no completion for '{shell}'", hint="known: " + ", ".join(SHELLS))
    click.echo(made(torch, {}, "torch", COMPLETE).source())
