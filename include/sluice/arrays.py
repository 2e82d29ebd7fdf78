"""Arrays as PostgreSQL reads them."""

from __future__ import annotations

from collections.abc import Iterable


def spell_array(values: Iterable[int | str | None]) -> str:
    """An array of numbers, or of texts without any special character: psycopg would look at each item for what has to
    be quoted, and a batch may have thousands of parts.
    """
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"
