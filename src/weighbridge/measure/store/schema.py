"""The tables of the store, as steps from one version to the next.

``{text}`` is a column without a limit in the database's own words. A step, once released, stays as
it is; a change is a further step.
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE records (
            digest CHAR(64) NOT NULL PRIMARY KEY,
            kind VARCHAR(16) NOT NULL,
            body {text} NOT NULL,
            engine VARCHAR(255) NOT NULL,
            model VARCHAR(255) NOT NULL,
            card VARCHAR(255) NOT NULL,
            source VARCHAR(255) NOT NULL,
            added VARCHAR(32) NOT NULL,
            place INTEGER NOT NULL
        )""",
        "CREATE INDEX records_in_order ON records (kind, added, place)",
    ),
)
VERSIONS = """CREATE TABLE weighbridge_schema (
    version INTEGER NOT NULL PRIMARY KEY, applied VARCHAR(32) NOT NULL
)"""
COLUMNS = ("digest", "kind", "body", "engine", "model", "card", "source", "added", "place")
INSERT = (
    f"INSERT INTO records ({', '.join(COLUMNS)}) "
    f"VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
)
# How a database takes a row that is there already for none.
KNOWN = {
    "sqlite": " ON CONFLICT (digest) DO NOTHING",
    "postgresql": " ON CONFLICT (digest) DO NOTHING",
    "cockroachdb": " ON CONFLICT (digest) DO NOTHING",
    "mysql": " ON DUPLICATE KEY UPDATE digest = digest",
    "mariadb": " ON DUPLICATE KEY UPDATE digest = digest",
}
TEXT = {"mysql": "LONGTEXT", "mariadb": "LONGTEXT", "oracle": "CLOB", "mssql": "NVARCHAR(MAX)"}
