"""What a model's name says of it. Pure."""

from __future__ import annotations


def runs_elsewhere(name: str) -> bool:
    """Whether a model's name says that it runs at Ollama's, though a server in this house has it."""
    tag = name.rpartition(":")[2].lower()
    return ":" in name and (tag == "cloud" or tag.endswith("-cloud"))
