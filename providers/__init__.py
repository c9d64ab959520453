"""Connectors: a provider's own system in, openings out. One format, one module; none imports the app."""

from collections.abc import Mapping
from typing import Final

from providers import hud_hic
from providers.records import Reader

FORMATS: Final[Mapping[str, Reader]] = {"hud-hic": hud_hic.read}
"""Every format that can be read, by the name an operator knows it by."""
