"""Races of real contenders at real servers. A package, so that its servers end with it."""
