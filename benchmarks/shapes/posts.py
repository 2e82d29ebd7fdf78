"""Shape C: posts of a forum, everything in attributes, the longest of them an escaped text."""

from __future__ import annotations

import random

from benchmarks.shapes.recordfile import ID_MARK, Shape
from benchmarks.shapes.words import escape_attribute, phrase

_FIRST_YEAR, _YEARS = 2010, 10


def make_record(choose: random.Random, revision: int) -> str:
    """A question, or an answer to one. A later revision was active later."""
    is_question = choose.random() < 0.5
    created = _moment(choose)
    active = f"{int(created[:4]) + revision * _YEARS}{created[4:]}"
    body = f'<p>{phrase(choose, 20, 150)}</p>\n<pre><code>a = "b" & c</code></pre>\n'
    attributes = [
        f'Id="{ID_MARK}"',
        f'PostTypeId="{1 if is_question else 2}"',
        *([] if is_question else [f'ParentId="{choose.randrange(10**6)}"']),
        f'CreationDate="{created}"',
        f'Score="{choose.randint(-3, 90)}"',
        *([f'ViewCount="{choose.randrange(10**5)}"'] if is_question else []),
        f'Body="{escape_attribute(body)}"',
        f'OwnerUserId="{choose.randrange(10**6)}"',
        f'LastActivityDate="{active}"',
        *(_question(choose) if is_question else []),
        f'CommentCount="{choose.randrange(9)}"',
        'ContentLicense="own"',
    ]
    return f"  <row {' '.join(attributes)} />\n"


def _question(choose: random.Random) -> list[str]:
    title = escape_attribute(phrase(choose, 5, 10))
    return [f'Title="{title}"', 'Tags="&lt;xml&gt;&lt;sql&gt;"', f'AnswerCount="{choose.randrange(9)}"']


def _moment(choose: random.Random) -> str:
    day = f"{_FIRST_YEAR + choose.randrange(_YEARS)}-{choose.randint(1, 12):02d}-{choose.randint(1, 28):02d}"
    time = f"{choose.randrange(24):02d}:{choose.randrange(60):02d}:{choose.randrange(60):02d}"
    return f"{day}T{time}.{choose.randrange(1000):03d}"


SHAPE = Shape(
    "posts",
    "C",
    '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n',
    "</posts>\n",
    make_record,
    records_per_block=8_000,
)
