"""The steps of the schema, a module each. Their order is in `thane.storage.schema`; a released one never changes."""
