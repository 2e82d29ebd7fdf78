"""What was seen of the texts of one element or attribute: all of them, in little memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Profile:
    """The texts of one element or attribute, added up. A profile that saw nothing says nothing."""

    count: int = 0

    def add(self, text: str) -> None:
        self.count += 1
