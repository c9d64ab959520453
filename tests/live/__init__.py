"""Tests of what is told live: the log, sockets and streams, webhooks. A package, so that their servers end with it."""
