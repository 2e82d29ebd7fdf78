"""pandas: read_xml, then to_sql. The currency, an attribute of a child, is out of its reach.

With ``method="multi"`` to_sql takes five times as long here, so it is left at its default.
"""

from __future__ import annotations

import pandas
import sqlalchemy
from benchmarks.peers.measuring import answer, arguments, cost_of

SCHEMA = "by_pandas"


def main() -> None:
    path, dsn, server_pid = arguments()
    engine = sqlalchemy.create_engine(dsn.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))

    def load() -> None:
        frame = pandas.read_xml(path, xpath="/catalog/item", parse_dates=["created", "updated"])
        frame.to_sql("items", engine, schema=SCHEMA, if_exists="replace", index=False)

    answer(path, cost_of(load, server_pid))


if __name__ == "__main__":
    main()
