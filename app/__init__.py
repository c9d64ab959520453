"""Openberth: the live capacity market of a pre-arrest diversion program."""
