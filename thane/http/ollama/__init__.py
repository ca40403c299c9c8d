"""The Ollama API, for Home Assistant, Open WebUI and whatever else speaks to an Ollama server."""
