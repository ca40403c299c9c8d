"""Thane, the steward of a house's AI. `thane.service` puts the program together; `thane.cli` starts it."""

__version__ = "0.1.0"
