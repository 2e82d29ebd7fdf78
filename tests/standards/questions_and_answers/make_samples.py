"""A question-and-answer site as Stack Exchange dumps it: a file for each kind of row, all values in attributes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from tests.standards.writing import Samples, gzipped, zipped

TAGS = ["c++", "c#", "node.js", "python-3.x", "xml", "älter-als", "sql-server-2008", ".net"]
NAMES = ["Jörg 42", "<script>alert(1)</script>", "user0007", "李雷", 'O\'Hara "Bo"', "007", "Zoë 🚀", "null"]
PLACES = ["Zürich, Schweiz", "", "São Paulo, Brazil", "127.0.0.1"]


def moment(index: int, seconds: int = 0) -> str:
    """A time with thousandths and without a zone."""
    date = f"20{9 + index % 16:02d}-{index % 12 + 1:02d}-{index % 28 + 1:02d}"
    return f"{date}T{index % 24:02d}:{index % 60:02d}:{seconds:02d}.{index * 37 % 1000:03d}"


def row(values: dict[str, object]) -> str:
    """Attributes whose value is None are left out; line ends in values are written as references."""
    kept = ((name, str(value)) for name, value in values.items() if value is not None)
    text = " ".join(f"{name}={quoteattr(value, {chr(10): '&#xA;', chr(13): '&#xD;'})}" for name, value in kept)
    return f"  <row {text} />"


def table(name: str, rows: Iterable[str], mark: str = "\ufeff") -> bytes:
    body = "\r\n".join(rows)
    return f'{mark}<?xml version="1.0" encoding="utf-8"?>\r\n<{name}>\r\n{body}\r\n</{name}>'.encode()


def body(index: int) -> str:
    code = f'<pre><code>if (a &lt; {index} &amp;&amp; b) {{\n\treturn "x";\n}}\n</code></pre>'
    return f"<p>Why is <em>x</em> ≠ y &amp; z?</p>\n\n{code}<p>It's &quot;odd&quot; – №{index}.</p>\n"


def tags(index: int, style: str) -> str:
    """Between angle brackets, as it was; between bars, as it is now."""
    chosen = [TAGS[(index + place) % len(TAGS)] for place in range(index % 4 + 1)]
    return "".join(f"<{tag}>" for tag in chosen) if style == "<" else f"|{'|'.join(chosen)}|"


def post(index: int, style: str = "<", bump: int = 0) -> str:
    is_question = index % 3 == 1
    closed = moment(index, 59) if index % 11 == 4 else None
    return row(
        {
            "Id": index if index != 58 else 2_147_483_690,
            "PostTypeId": 1 if is_question else 2 if index % 10 else 5,
            "AcceptedAnswerId": index + 1 if is_question and index % 2 else None,
            "ParentId": None if is_question else index - index % 3 + 1 if index % 10 else None,
            "CreationDate": moment(index),
            "Score": (index * 7) % 23 - 5 + bump,
            "ViewCount": index * 1000 + bump if is_question else None,
            "Body": body(index) if index % 13 else "",
            "OwnerUserId": (index % 8) - 1 if index % 8 else None,
            "OwnerDisplayName": "user0815" if index % 8 == 0 else None,
            "LastEditorUserId": index % 5 if index % 4 == 0 else None,
            "LastEditDate": moment(index, 30) if index % 4 == 0 else None,
            "LastActivityDate": moment(index, 45),
            "Title": f"How do I escape \"<\" & '>' in {index}?" if is_question else None,
            "Tags": tags(index, style) if is_question else None,
            "AnswerCount": index % 4 if is_question else None,
            "CommentCount": index % 6,
            "FavoriteCount": 0 if is_question and index % 5 == 0 else None,
            "ClosedDate": closed,
            "CommunityOwnedDate": moment(index, 58) if index % 17 == 3 else None,
            "ContentLicense": "CC BY-SA 4.0" if index % 2 else "CC BY-SA 2.5",
        }
    )


def user(index: int, bump: int = 0) -> str:
    return row(
        {
            "Id": index - 1 if index else -1,
            "Reputation": 1 + index * 1234 + bump,
            "CreationDate": moment(index + 3),
            "DisplayName": NAMES[index % len(NAMES)],
            "LastAccessDate": moment(index + 3, 10),
            "WebsiteUrl": "https://example.com/?q=1&r=2" if index % 3 == 0 else "" if index % 3 == 1 else None,
            "Location": PLACES[index % len(PLACES)] if index % 5 else None,
            "AboutMe": f"<p>Line one\r\nline two of {index}</p>" if index % 4 == 1 else None,
            "Views": index,
            "UpVotes": index * 3,
            "DownVotes": 0,
            "AccountId": 1_000_000 + index if index else -1,
        }
    )


def vote(index: int, rng: random.Random) -> str:
    kind = rng.choice([1, 2, 2, 2, 3, 8, 9])
    return row(
        {
            "Id": index + 4_294_967_290,
            "PostId": index % 57 + 1,
            "VoteTypeId": kind,
            "UserId": index % 9 if kind == 8 else None,
            "CreationDate": f"{moment(index)[:10]}T00:00:00.000",
            "BountyAmount": rng.choice([50, 100, 500]) if kind in (8, 9) else None,
        }
    )


def tag(index: int) -> str:
    wiki = {"ExcerptPostId": index + 100, "WikiPostId": index + 99} if index % 2 else {}
    return row(
        {"Id": index, "TagName": TAGS[index % len(TAGS)] if index < 8 else f"0{index}", "Count": index * 17, **wiki}
    )


def make() -> Samples:
    rng = random.Random(2008)
    january = {
        "Posts.xml": table("posts", (post(index) for index in range(1, 59))),
        "Users.xml": table("users", (user(index) for index in range(12))),
        "Tags.xml": table("tags", (tag(index) for index in range(1, 11)), mark=""),
    }
    # the next dump: everything that was asked or changed since, in the new form of tags
    april = [post(index, "|", bump=3) for index in (1, 4, 10, 25)] + [post(index, "|") for index in range(59, 71)]
    bad = table("posts", [post(80, "|"), post(82, "|").replace('ViewCount="82000"', 'ViewCount="82k"'), post(83, "|")])
    return {
        "samples/2026-01-01/site.zip": zipped(january),
        "samples/2026-01-01/Votes.xml.gz": gzipped(table("votes", (vote(index, rng) for index in range(1, 81)))),
        "samples/2026-04-01/Posts.xml": table("posts", april),
        "samples/2026-04-01/Users.xml": table("users", (user(index, bump=10) for index in (2, 3, 12, 13))),
        "broken/2026-05-01/Posts.xml": bad,
    }
