"""Whatever happens to a container on its way, it reads or says that it does not; nothing else ever comes out."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.containers.samples import COMPRESSIONS, tarred, unpack, zipped

from sluice.containers import Quotas, list_members
from sluice.errors import REJECT_CODES, MalformedXML

FILES = [("a.xml", b"<a/>" * 100), ("b.xml.gz", gzip.compress(b"<b/>"))]
CONTAINERS = [
    *(pack(b"<a>%d</a>" % 7 * 100) for pack in COMPRESSIONS.values()),
    zipped(FILES),
    tarred([("long/" * 60 + "a.xml", b"<a/>")], tarfile.GNU_FORMAT),
    gzip.compress(tarred(FILES)),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(CONTAINERS)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 600))
        data[place : place + length] = draw(st.binary(max_size=8))
    return bytes(data)


def fault_of(read: Callable[[], object]) -> MalformedXML | None:
    try:
        read()
    except MalformedXML as error:
        return error
    return None


@settings(max_examples=300, deadline=None)
@given(data=damaged())
def test_damage_is_told_as_malformed(data: bytes) -> None:
    for read in (lambda: unpack(data), lambda: list_members(io.BytesIO(data), Quotas())):
        fault = fault_of(read)
        assert fault is None or fault.code in REJECT_CODES
        assert fault is None or "\n" not in fault.message
