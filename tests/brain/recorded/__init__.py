"""What real Home Assistants sent: system prompt, tools, and results of tool calls. Read with `recorded()`."""
