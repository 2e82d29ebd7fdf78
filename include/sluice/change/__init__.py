"""What a changed declaration does: to rows (``comparing``), to tables (``tables``), to what is loaded (``history``).

``sides`` finds what it is compared with, ``report`` says it.
"""
