"""Who else may touch the protected tables, on PostgreSQL: nobody but their owner needs more than to read and to append.

The guards refuse the same; a privilege that nobody needs is one more thing that a stolen password can try. What the
owner and superusers may do is not looked at: it is told by checkpoints alone.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

from .guards import protected_models

# A role may change rows that are still open, or fill in a tree's position: there UPDATE is needed. Bodies are dropped
# by the owner of the tables alone.
_NEEDED = {rule: {"SELECT", "INSERT"} for rule in ("append_only", "until_dropped")}
_MORE = {"SELECT", "INSERT", "UPDATE"}
_GRANTED = """
SELECT c.relname, coalesce(quote_ident(r.rolname), 'PUBLIC'), p.privilege_type
  FROM pg_class c, aclexplode(c.relacl) p LEFT JOIN pg_roles r ON r.oid = p.grantee
 WHERE c.relname = ANY(%(tables)s) AND pg_table_is_visible(c.oid) AND p.grantee <> c.relowner
UNION
SELECT c.relname, coalesce(quote_ident(r.rolname), 'PUBLIC'), p.privilege_type
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) p
       LEFT JOIN pg_roles r ON r.oid = p.grantee
 WHERE c.relname = ANY(%(tables)s) AND pg_table_is_visible(c.oid) AND p.grantee <> c.relowner
 ORDER BY 1, 2, 3
"""


def problems(connection: BaseDatabaseWrapper) -> list[str]:
    """What others may do to these tables and need not, in words, with what to do. SQLite has no roles."""
    if connection.vendor != "postgresql":
        return []
    needed = {model._meta.db_table: _NEEDED.get(getattr(model, "guard", ""), _MORE) for model in protected_models()}
    with connection.cursor() as cursor:
        cursor.execute(_GRANTED, {"tables": list(needed)})
        granted = [row for row in cursor.fetchall() if row[2] not in needed[row[0]]]
    return [
        f"{role} may {privilege} the table {table}, and need not. "
        f"As its owner: REVOKE {privilege} ON {table} FROM {role};"
        for table, role, privilege in granted
    ]
