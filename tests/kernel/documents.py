"""Documents in the ways of real senders and of hostile ones, at random, around the names of ``FEED``."""

from __future__ import annotations

import random

FEED = """
namespaces: {default: ['', urn:d], q: [urn:q, urn:q2]}
malformed: MALFORMED
tables:
  things:
    record: /root/rec
    columns:
      x: {path: "@x", type: integer}
      y: {path: ["@q:y", y], first: true}
      t: {path: ., trim: true}
      n: {path: n, type: "numeric(9,2)"MANY}
      i: {path: i, type: bigint, required: REQUIREDMANY}
      b: {path: b, type: boolean, default: "true"MANY}
      d: {path: d, type: date, "null": [n/a]MANY}
      w: {path: w, type: timestamptz, first: true}
      s: {path: s, type: timestampMANY}
      l: {path: l, type: "integer[]"}
      a: {path: "o[@k='a']"MANY}
      z: {path: "o[@k='b'][@k='b']/@v", first: true}
      m: {path: q:mMANY}
      mm: {path: q:m/m, first: true}
      r: ../@x
      h: {path: ../head/y, type: "text[]"}
      g: {path: "p[v='1']/@k", first: true}
      gg: {path: "p[v='a']/v", first: true}
      ll: {path: y, type: "text[]"}
      nn: {path: v, first: true, "null": ["", a, n/a], default: none}
  parts:
    parent: things
    rows: p
    columns: {up: ../../@x, k: "@k", v: {path: v, first: true}, o: {path: "o/@x", type: integer, first: true}}
  bits: {parent: parts, rows: v/bit, columns: {t: {path: ., type: text}}}
  others: {record: /root/group/other, columns: {c: ., e: {path: "@x", default: none}}}
"""


# The columns that read what stands above their record.
_UPWARD = ("      r: ../@x\n", '      h: {path: ../head/y, type: "text[]"}\n', "up: ../../@x, ")


def feed_text(malformed: str = "reject", *, is_required: bool = False, many: bool = False, upward: bool = True) -> str:
    """``many`` says that of several values the first is taken, ``upward`` that columns read what is above records."""
    text = FEED.replace("MALFORMED", malformed).replace("REQUIRED", str(is_required).lower())
    for column in () if upward else _UPWARD:
        assert column in text
        text = text.replace(column, "")
    return text.replace("MANY", ", first: true" if many else "")


_KNOWN = ("x", "y", "n", "i", "b", "d", "w", "s", "l", "o", "q:m", "m", "p", "v", "bit", "rec")
_UNKNOWN = ("u", "q:u", "z:u", "Größe", "xml", "a.b-c", "_", "nn")
_ATTRIBUTES = ("x", "k", "v", "q:y", "xsi:nil", "xml:lang", "u", "q:u", "y")
_VALUES = (
    "", " ", "1", "-1", "+7", "007", "12.50", "12.5000", ".5", "1.", "1e3", "99999999999", "9223372036854775807",
    "-9223372036854775808", "1234567.89", "12345678.90", "true", "false", "0", "TRUE", "2024-02-29", "2023-02-29",
    "0000-01-01", "2024-01-01Z", "2024-01-01T00:00:00Z", "2024-01-01T23:59:59.123456+02:00", "2024-01-01 24:00:00",
    "9999-12-31T23:59:59Z", "2024-01-01T00:00:00.1234567Z", "2024-01-01T10:00:00", "2024-01-01T10:00:60Z",
    "2024-01-01T10:00Z", "n/a", "none", " 5 ", "\n  5\n", "\t5", "naïve", "日本", "😀", "\ufffd", "a\u0085b", "x]]y",
    "]]",
)  # fmt: skip
TEXTS = (
    "&lt;", "&amp;", "&gt;", "&quot;", "&apos;", "&#65;", "&#x41;", "&#xA;", "&#13;", "&#9;", "&#x1F600;", "\r\n",
    "\r", "\n", "\t", "<!-- c -->", "<![CDATA[<&>]]>", "<![CDATA[]]>", "<![CDATA[a\r\nb]]>", "<?pi data?>", "<?pi?>",
    "<!---->", "<![CDATA[]]]]>",
)  # fmt: skip
WRONG = (
    "<?p?x?>", "<?p??>", "<u xmlns:w='http://h:x/'/>", "<u xmlns:w='http://h:/'/>", "<u xmlns:w='http://a@b@c/'/>",
    "<u xmlns:w='urn:a' xmlns:w='urn:b'/>", "<w:u xmlns:w='urn:a' w:x='1' x='1'/>",
    "&nbsp;", "&#0;", "&#x0;", "&#xFFFE;", "&#xD800;", "&#1114112;", "&#;", "&#x;", "&", "& ", "&lt", "&#65", "]]>",
    "<!-- a--b -->", "<!--->", "<!-->-->", "<?xml version='1.0'?>", "<?XML?>", "<?a:b c?>", "<![CDATA[", "<", ">",
    "<>", "< a/>", "</u>", "<u", "<u x/>", "<u x=1/>", "<u x='a' x='b'/>", "<u x='<'/>", "<u x='a'y='b'/>", "<1/>",
    "<u:/>", "<:u/>", "<u:v:w/>", "<w:u/>", "\x00", "\x01", "\x0b", "\x1f", "\x7f", "\ufffe", "\uffff",
    "<!DOCTYPE a>", "<!ELEMENT a>", "<u xmlns:w=''/>", "<u xmlns:xml='urn:x'/>", "<u xmlns:xmlns='urn:x'/>",
    "<u q:a='1' r:a='2' xmlns:r='urn:q'/>", "<u xml:id='1'/>", "<u xml:space='x'/>", "<xml:u/>", "<xmlns:u/>",
    "<u xmlns='urn:x y'/>", "<u xmlns='relative'/>", "<u xmlns='%'/>", "<u w:x='1'/>", "</ u>", "<u></u ><u/ >",
    "<u\n></u\n>", "<u\tx='1'\r\n/>", "<u x = '1'/>", "<u x='a&lt;b'/>", "<u x='a&b'/>", "<u x='\r\n'/>",
    "<u x=\"'\"/>", "<u x='\"'/>",
)  # fmt: skip
_SPACES = ("", "", "", "\n", "\n  ", " ", "\r\n", "\t")
_DECLARED = (
    "", "", "", " xmlns='urn:d'", ' xmlns=""', " xmlns:q='urn:q2'", " xmlns:q='urn:z'", " xmlns:d='urn:d'",
    " xmlns='urn:z'",
)  # fmt: skip
_PROLOGS = (
    '<?xml version="1.0" encoding="ISO-8859-1"?>', '<?xml version="1.0" encoding="us-ascii"?>',
    '<?xml version="1.0" encoding="x-nothing"?>', '<?xml version="1.0" standalone="no"?>',
    "", "", '<?xml version="1.0"?>', "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n", "<!-- a -->",
    "<?pi?>", "<!DOCTYPE root>", '<!DOCTYPE root SYSTEM "x.dtd">',
    '<!DOCTYPE root PUBLIC "-//A//B" "http://x/y.dtd">\n', "<!DOCTYPE root [<!ENTITY e 'v'>]>",
    '<?xml version="1.1"?>', " \n", "\ufeff",
)  # fmt: skip


class Sender:
    """Writes documents; ``wrongness`` is how often something malformed is put in."""

    def __init__(self, pick: random.Random, wrongness: float) -> None:
        self._pick = pick
        self._wrongness = wrongness

    def document(self, most_records: int = 6) -> bytes:
        pick = self._pick
        bound = ' xmlns:z="urn:z"' if pick.random() < 0.8 else ""
        open_root = f"<root xmlns:q='urn:q'{bound}{pick.choice(_DECLARED)}>"
        if pick.random() < 0.5:
            open_root = open_root[:-1] + self._attribute("x") + ">" + self._element("head", 3)
        body = "".join(self._among_records() for _ in range(pick.randrange(most_records)))
        text = pick.choice(_PROLOGS) + open_root + body + "</root>" + pick.choice(("", "", "\n", "<!-- e -->", "<?p?>"))
        data = text.encode("utf-8", "surrogatepass")
        return self._damage(data) if pick.random() < self._wrongness else data

    def _among_records(self) -> str:
        pick = self._pick
        kind = pick.random()
        if kind < 0.75:
            return pick.choice(_SPACES) + self._element("rec", 0)
        if kind < 0.9:
            others = "".join(self._element("other", 2) for _ in range(pick.randrange(3)))
            return f"<group>{others}</group>"
        return self._element(pick.choice(_UNKNOWN + _KNOWN), 1)

    def _element(self, name: str, depth: int) -> str:
        pick = self._pick
        names = pick.sample(_ATTRIBUTES, pick.choice((0, 0, 1, 2, 3)))
        if pick.random() < self._wrongness / 8:
            names.append("x")
        attributes = "".join(map(self._attribute, names))
        start = f"<{name}{attributes}{pick.choice(_DECLARED) if pick.random() < 0.1 else ''}"
        if pick.random() < 0.1:
            return f"{start}{pick.choice(('', ' '))}/>"
        inner = self._text() if pick.random() < 0.5 else pick.choice(("", "", "1", "a"))
        if name == "head":
            inner += "".join(self._element("y", 4) for _ in range(pick.randrange(3)))
        if depth < 4 and (name == "rec" or pick.random() < 0.3):
            children = pick.sample(_KNOWN + _UNKNOWN, pick.randrange(1, 8 if name == "rec" else 3))
            for child in children + pick.choice(([], [], [], ["p", "p"], ["o", "y", "y"], children[:1])):
                inner += pick.choice(_SPACES) + self._element(child, depth + 1)
                inner += self._text() if pick.random() < 0.2 else ""
        return f"{start}>{inner}</{name}{pick.choice(('', '', '', ' '))}>"

    def _attribute(self, name: str) -> str:
        pick = self._pick
        quote = pick.choice("\"'")
        value = pick.choice((*_VALUES, "a", "b", "a", "true", "&#97;", "a\nb", "&lt;&amp;", "\r\n"))
        value = value.replace("<", "&lt;").replace(quote, "")
        declared = " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'" if name == "xsi:nil" else ""
        return f"{pick.choice((' ', ' ', '  ', chr(10)))}{name}={quote}{value}{quote}{declared}"

    def _text(self) -> str:
        pick = self._pick
        found = "".join(pick.choice(pick.choice((_VALUES, TEXTS))) for _ in range(pick.choice((1, 1, 1, 2, 3))))
        return found + (pick.choice(WRONG) if pick.random() < self._wrongness / 8 else "")

    def _damage(self, data: bytes) -> bytes:
        """Some bytes changed, cut out, doubled or put in."""
        pick = self._pick
        for _ in range(pick.choice((0, 0, 1, 1, 2))):
            at = pick.randrange(len(data) + 1)
            end = min(at + pick.choice((0, 1, 1, 2, 7)), len(data))
            new = pick.choice(
                (
                    b"",
                    b"<",
                    b">",
                    b"&",
                    b"'",
                    b"/",
                    b"\xff",
                    b"\xed\xa0\x80",
                    b"\xc3",
                    b"]",
                    b"-",
                    data[at:end] * 2,
                    b"=",
                    b" ",
                )
            )
            data = data[:at] + new + data[end:]
        return data
