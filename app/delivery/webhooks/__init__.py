"""Webhooks: what happens, sent to partners' own systems; signed, at least once, and in order for each opening."""
