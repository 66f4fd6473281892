"""docs/run-states.md, drawn from the table of moves: the picture cannot disagree with the code."""

from __future__ import annotations

import sys

from torch.run import MOVES, Outcome, State, Trigger

_MEANING = {
    State.INTENT: "recorded on disk, slot reserved; no process is proven yet",
    State.RUNNING: "its process lives",
    State.STOPPING: "told to end: SIGTERM is sent, the grace runs",
    State.FINISHED: "its one outcome is recorded; nothing changes any more",
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
        "A fire that never became a run is `skipped` or `missed`, with the reason.",
        "",
        "Triggers: " + ", ".join(f"`{trigger}`" for trigger in Trigger) + ".",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
