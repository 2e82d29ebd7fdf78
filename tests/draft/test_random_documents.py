"""Any documents, drafted: the feed file has no mistakes, takes every record, and reads all but what its notes name."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape, quoteattr

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice import gate
from sluice.draft.drafting import RecordUnclear
from sluice.draft.making import Request, make_draft
from sluice.draft.trial import run_trial
from sluice.feed.checking import check_expectations
from sluice.feed.loading import load_feed

NAMES = st.sampled_from(
    ["Id", "id", "Line", "Lines", "Größe", "x-y", "a.b", "_1", "ctid", "xmin", "Order", "Orders", "Date", "value", "数"]
)
TEXTS = st.sampled_from(
    ["", " ", "1", "007", "-1.50", "1e5", "true", "N/A", "2026-03-31", "31.03.2026", "2026-03-31T01:02:03Z", "x<y & z",
     "null", "é", "12345678901234567890123", '{"a": 1}', "20260331", "a: b # c", "'"]
)  # fmt: skip


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> str:
    name = draw(NAMES)
    attributes = draw(st.dictionaries(NAMES, TEXTS, max_size=2))
    told = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    if depth >= 4 or draw(st.booleans()):
        content = escape(draw(TEXTS))
    else:
        inner = draw(st.lists(elements(depth + 1), min_size=1, max_size=4))
        times = draw(st.sampled_from([1, 1, 2, 3]))
        text = escape(draw(st.sampled_from(["", "", "\n", "mixed "])))
        content = text + "".join(inner) * times
    return f"<{name}{told}>{content}</{name}>"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(elements(), min_size=1, max_size=3), st.sampled_from([1, 30]))
def test_every_draft_loads_all_of_its_samples(roots: list[str], times: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = []
        for number, root in enumerate(roots):
            paths.append(folder / f"{number}.xml")
            paths[-1].write_text(f"<Documents>{root * times}</Documents>" if times > 1 else root, encoding="utf-8")
        request = Request("drafted", tuple(map(str, paths)), (), (), folder / "drafted")
        try:
            assert make_draft(request, lambda _: None, lambda _: None, None) == 0
        except RecordUnclear:
            return
        feed = load_feed(folder / "drafted")
        assert check_expectations(feed) == []
        gate.check_feed(feed)
        notes = (folder / "drafted/NOTES.md").read_text()
        text = (folder / "drafted/feed.yaml").read_text()
        with run_trial("drafted", text, paths) as trial:
            assert [reason for reason in trial.rejects if not reason.startswith("no_records")] == []
            assert [path for path in trial.unread if f"`{path}`" not in notes] == []
