"""What runs leave in Airflow's database: rows and bytes, table by table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import psycopg2

_PARTITIONS_OF_NOBODY = "pg_catalog", "information_schema"


@dataclass(frozen=True)
class Metadata:
    """The rows of each table of a database, and the bytes of each with its indexes."""

    rows: Mapping[str, int]
    bytes: Mapping[str, int]

    def since(self, before: Metadata) -> Metadata:
        """What was added, of the tables that grew."""
        grown = {table: count - before.rows[table] for table, count in self.rows.items() if count > before.rows[table]}
        return Metadata(grown, {table: self.bytes[table] - before.bytes[table] for table in grown})

    def a_thousand(self, sessions: int) -> str:
        """The rows of a thousand sessions by table, in words, the most first."""
        return ", ".join(f"{table} {1000 * count / sessions:,.0f}" for table, count in Counter(self.rows).most_common())


def metadata_of(url: str) -> Metadata:
    """What a PostgreSQL holds now, by its SQLAlchemy URL. Counted, not estimated."""
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname not in %s", [_PARTITIONS_OF_NOBODY])
        tables = [name for (name,) in cursor.fetchall()]
        rows, sizes = {}, {}
        for table in tables:
            cursor.execute(f'select count(*), pg_total_relation_size(%s) from "{table}"', [table])
            rows[table], sizes[table] = cursor.fetchone()
    return Metadata(rows, sizes)
