"""From an S3 client to a row that SQL sees, with a stopwatch."""

from __future__ import annotations

import time

import psycopg
from benchmarks.arrivals.ground import Ground, key_of, parcel_file

from sluice.stack.emulator import BUCKET

LOOK_SECONDS = 0.02
LIMIT_SECONDS = 300
COUNT = "SELECT count(*) FROM parcels.parcels WHERE id LIKE %s"


def measure(ground: Ground, turns: int, first: int = 0) -> list[float]:
    """Seconds from the beginning of the upload of one file until its rows are there, for each of ``turns`` files, one
    after another, on a system that does nothing else. A file before them does not count: it makes the tables.
    """
    client = ground.client("s3")
    client.put_object(Bucket=BUCKET, Key=key_of(first), Body=parcel_file(first))
    _wait(lambda: bool(ground.query("SELECT to_regclass('parcels.parcels')")[0][0]))
    found = []
    with psycopg.connect(ground.stack.warehouse_dsn, autocommit=True) as connection:

        def is_there(number: int) -> bool:
            return connection.execute(COUNT, [f"{number}-%"]).fetchone() == (2,)

        _wait(lambda: is_there(first))
        for number in range(first + 1, first + 1 + turns):
            _wait(lambda: _is_idle(ground))
            began = time.monotonic()
            client.put_object(Bucket=BUCKET, Key=key_of(number), Body=parcel_file(number))
            _wait(lambda number=number: is_there(number))  # type: ignore[misc]
            found.append(time.monotonic() - began)
    return found


def _is_idle(ground: Ground) -> bool:
    return all(run["state"] == "success" for run in ground.stack.api.runs("parcels"))


def _wait(condition) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing within {LIMIT_SECONDS} s")
        time.sleep(LOOK_SECONDS)
