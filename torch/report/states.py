"""docs/run-states.md, drawn from the table of moves: the picture cannot disagree with the code."""

from __future__ import annotations

import sys

from torch.run import MOVES, Outcome, State, Trigger

_MEANING = {
    State.INTENT: "recorded on disk, its slot is reserved; no process is known yet",
    State.RUNNING: "its process is running",
    State.STOPPING: "SIGTERM is sent; SIGKILL follows when the grace is over",
    State.FINISHED: "its one outcome is recorded, and does not change again",
}


def markdown() -> str:
    """The page: a diagram, and the words of `torch runs`."""
    lines = [
        "# States of a run",
        "",
        "Generated from `torch/run.py` by `make docs`.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {State.INTENT}",
        *(f"    {state} --> {to}" for state, moves in MOVES.items() for to in sorted(moves)),
        f"    {State.FINISHED} --> [*]",
        "```",
        "",
        *(f"- `{state}`: {_MEANING[state]}" for state in State),
        "",
        "Outcomes: " + ", ".join(f"`{outcome}`" for outcome in Outcome) + ".",
        "A scheduled run that did not start is recorded as `skipped` or `missed`, with the reason.",
        "",
        "Triggers: " + ", ".join(f"`{trigger}`" for trigger in Trigger) + ".",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
