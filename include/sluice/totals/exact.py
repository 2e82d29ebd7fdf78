"""Sums of decimals, exactly: Python's own round to 28 digits."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact

# A number here has 100 digits at most, before and after its point together.
_EXACT = Context(prec=1000, traps=[Inexact])


def add(first: Decimal, second: Decimal) -> Decimal:
    return _EXACT.add(first, second)
