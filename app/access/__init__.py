"""Who is calling and what they may do: programs, callers, roles, the permission table, keys, the audit trail."""
