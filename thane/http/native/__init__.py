"""The native API: JSON over HTTP, and its event stream."""
