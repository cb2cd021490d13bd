"""In an exported folder, a copy of `layers/character_types.py` stands here."""

from ..layers.character_types import character_types

__all__ = ["character_types"]
