"""What a database's catalogs say of its schema, as plain sets that can be compared."""

from typing import Any

import asyncpg

TABLES = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
               a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid)
          FROM pg_attribute a
          JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
          LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'alembic_version'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u', 'x')
           AND conrelid::regclass::text <> 'alembic_version'""",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
    "storage": """
        SELECT relname, reloptions::text FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'""",
}
"""What SQLAlchemy's metadata describes too."""

REST = {
    "functions": """
        SELECT p.oid::regprocedure::text, prosrc, prosecdef, proconfig::text, proacl::text FROM pg_proc p
         WHERE pronamespace = 'public'::regnamespace
           AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')""",
    "triggers": """
        SELECT pg_get_triggerdef(t.oid), tgenabled::text FROM pg_trigger t
          JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = 'public'::regnamespace
         WHERE NOT tgisinternal""",
    "policies": "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies",
    "rights": """
        SELECT relname, relrowsecurity, relacl::text FROM pg_class
         WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'""",
    "column rights": """
        SELECT attrelid::regclass::text, attname, attacl::text FROM pg_attribute
         WHERE attacl IS NOT NULL AND attrelid::regclass::text NOT LIKE 'pg\\_%'""",
    "extensions": "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'",
    "types": """
        SELECT typname FROM pg_type t WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r')
           AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = t.oid AND deptype = 'e')""",
}

Catalog = dict[str, set[tuple[Any, ...]]]


async def read(url: str, questions: dict[str, str]) -> Catalog:
    """The answers to these questions."""
    connection = await asyncpg.connect(url)
    try:
        return {name: {tuple(row) for row in await connection.fetch(sql)} for name, sql in questions.items()}
    finally:
        await connection.close()


def differences(one: Catalog, other: Catalog) -> dict[str, tuple[set[Any], set[Any]]]:
    """What only the one has and what only the other has, where there is any."""
    return {name: (one[name] - other[name], other[name] - one[name]) for name in one if one[name] != other[name]}
