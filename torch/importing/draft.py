"""What is read out of another scheduler's file, on its way into a task file.

Owns the shapes that the readers (`crontab`, `gotorch`, `yacron`) make and `page` writes. Must
not know any of their formats, nor YAML.

Invariant: whatever stands in the input ends as part of a `Draft`, as a `Remark` or as an
`Unmapped`; nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_LONGEST = 500  # characters of a reason, which may quote what it is about

Value = str | int | float | bool | tuple[str, ...] | Mapping[str, str | int | float]
"""What a key of a task can hold here: text, a number, a list of texts, a mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A task to be. `names` are candidates, the best first; `keys` are those of the task file.

    `source` is the original text, kept as a comment should the task be refused after all;
    `reviews` are what a person should look at.
    """

    line: int
    source: str
    names: tuple[str, ...]
    keys: Mapping[str, Value]
    reviews: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remark:
    """Comment lines that stay where they stood; with `review` they want a look."""

    lines: tuple[str, ...]
    review: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """Something that has no place in a task file: where it stands, what it says, and why not."""

    file: str
    line: int
    source: str
    reason: str

    def told(self) -> str:
        """'crontab:12: hour '25' is out of range'."""
        return f"{self.file}:{self.line}: {self.reason}"


Piece = Draft | Remark | Unmapped


@dataclass(slots=True)
class Original:
    """One file as it was read: its pieces in their order, and what is to be said once.

    `heading` is what stands above its pieces if there are several files, '' its name.
    """

    file: str
    pieces: list[Piece] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    heading: str = ""

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)

    def unmapped(self, line: int, source: str, reason: str) -> None:
        reason = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"
        self.add(Unmapped(file=self.file, line=line, source=source, reason=reason))

    def note(self, text: str) -> None:
        """Something to review that holds for many tasks; said once, at the top."""
        if text not in self.notes:
            self.notes.append(text)

    def drafts(self) -> list[Draft]:
        return [piece for piece in self.pieces if isinstance(piece, Draft)]
