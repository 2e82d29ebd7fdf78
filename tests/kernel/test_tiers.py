"""The fast tier gives what the reference tier gives: the same rows, rejects, places and counts, for any input."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.kernel.documents import FEED, Sender
from tests.kernel.tiers import assert_same, parse_by_both
from tests.parsed import write_feed

VARIANTS = [("reject", "true"), ("reject", "false"), ("keep_records", "false")]
DOCUMENTS = 80


@pytest.mark.parametrize(("malformed", "required"), VARIANTS)
@pytest.mark.parametrize("wrongness", [0.0, 0.2])
def test_both_tiers_agree(tmp_path: Path, malformed: str, required: str, wrongness: float) -> None:
    feed = write_feed(tmp_path, FEED.replace("MALFORMED", malformed).replace("REQUIRED", required))
    taken = 0
    for seed in range(DOCUMENTS):
        data = Sender(random.Random(f"{malformed}/{required}/{wrongness}/{seed}"), wrongness).document()
        fast, reference = parse_by_both(feed, tmp_path, data)
        try:
            assert_same(fast, reference)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {data!r}") from error
        taken += fast.summary.fast_pieces
    # A test in which the fast tier declines everything would prove nothing.
    assert taken > DOCUMENTS / 10
