from collections.abc import Iterator

import pytest
from tests.arrivals.landing import Landing, landing


@pytest.fixture
def bucket() -> Iterator[Landing]:
    with landing() as made:
        yield made
