"""Notices to people, by e-mail and in their browsers: found due, stored, and sent at least once."""
