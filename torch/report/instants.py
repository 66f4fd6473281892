"""Instants in words, in one zone: the date only where it is another than the day in question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from torch import zone


@dataclass(frozen=True, slots=True)
class Instants:
    """`about`: an instant (epoch seconds) of the day in question."""

    zone: str
    about: float

    def full(self, at: float) -> str:
        """'2026-11-21 03:30:00', with the offset where the clocks go back."""
        local = self._local(at)
        other = local.replace(fold=1 - local.fold)
        offset = f"{local:%z}" if other.utcoffset() != local.utcoffset() else ""
        return f"{local:%Y-%m-%d %H:%M:%S}" + (f" {offset[:3]}:{offset[3:]}" if offset else "")

    def short(self, at: float) -> str:
        """Without the date on the day in question."""
        same = self._local(at).date() == self._local(self.about).date()
        return self.full(at).partition(" ")[2] if same else self.full(at)

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, UTC).astimezone(zone.of(self.zone))
