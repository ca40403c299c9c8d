"""The embedded brain: understands the sentences of a house and acts through tools, without a model."""
