"""xml2db: the XSD makes the model, the document is read whole, staged, and merged. It has no gate."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from benchmarks.peers.measuring import answer, arguments, cost_of
from xml2db import DataModel

SCHEMA = "by_xml2db"


def main() -> None:
    path, dsn, server_pid = arguments()
    url = dsn.replace("postgresql://", "postgresql+psycopg2://")
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA {SCHEMA}"))
    model = DataModel(
        xsd_file=str(Path(__file__).with_name("catalog.xsd")),
        short_name="catalog",
        connection_string=url,
        db_schema=SCHEMA,
        # without this it looks for equal items to share; there are none, and it takes far longer
        model_config={"tables": {"catalog": {"fields": {}}, "item": {"reuse": False}}},
    )

    def load() -> None:
        # without validation: the faster way, as Sluice's feed has no XSD either
        model.parse_xml(str(path), skip_validation=True).insert_into_target_tables()

    answer(path, cost_of(load, server_pid))


if __name__ == "__main__":
    main()
