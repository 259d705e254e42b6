"""Imports of a catalog: their speed beside an earlier commit's, their memory, what presets keep of a source."""
