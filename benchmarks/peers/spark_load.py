"""Spark, local on two cores: its XML reader with a given schema, then JDBC. Of two loads the second counts."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peers.measuring import answer, arguments, cost_of
from pyspark.sql import SparkSession
from pyspark.sql.types import StringType, StructField, StructType

SCHEMA = "by_spark"
JAR_VARIABLE = "BENCH_JDBC_JAR"
_TEXTS = ["id", "sku", "name", "category", "qty", "created", "updated", "active", "country", "weight", "description"]
_PRICE = StructType([StructField("_VALUE", StringType()), StructField("_currency", StringType())])
_ROWS = StructType([*(StructField(name, StringType()) for name in _TEXTS), StructField("price", _PRICE)])
_COLUMNS = (
    "cast(id as bigint) id", "sku", "name", "category", "cast(price._VALUE as decimal(12,2)) price",
    "price._currency currency", "cast(qty as int) qty", "cast(created as timestamp) created",
    "cast(updated as date) updated", "cast(active as boolean) active", "country",
    "cast(nullif(weight, '') as decimal(12,3)) weight", "description",
)  # fmt: skip


def main() -> None:
    path, dsn, server_pid = arguments()
    folder = tempfile.mkdtemp(prefix="sluice-bench-spark-")
    session = _session(folder)
    try:
        cold = cost_of(lambda: _load(session, path, dsn), server_pid)
        warm = cost_of(lambda: _load(session, path, dsn), server_pid)
        answer(path, warm, cold_wall=cold["wall"])
    finally:
        session.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _session(folder: str) -> SparkSession:
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g")
    settings = {
        "spark.jars": os.environ[JAR_VARIABLE],
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _load(session: SparkSession, path: Path, dsn: str) -> None:
    server = urlsplit(dsn)
    rows = session.read.format("xml").option("rowTag", "item").schema(_ROWS).load(str(path)).selectExpr(*_COLUMNS)
    (
        rows.write.format("jdbc")
        .option("url", f"jdbc:postgresql://{server.hostname}:{server.port}{server.path}?reWriteBatchedInserts=true")
        .option("user", server.username or "")
        .option("password", server.password or "")
        .option("dbtable", f"{SCHEMA}.items")
        .option("driver", "org.postgresql.Driver")
        .option("batchsize", "5000")
        .mode("overwrite")
        .save()
    )


if __name__ == "__main__":
    main()
