"""Words for people."""

from __future__ import annotations

SAMPLE_PATHS = "files, folders with all below them, or patterns in quotes (*, ?, **); compressed files and archives too"
"""What a person can give for samples, in the words of all commands."""


def first_line(error: BaseException) -> str:
    """What an error says first, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def counted(number: int, one: str, many: str = "") -> str:
    """``1 record``, ``1,204 records``; ``many`` where an s does not do."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
