"""What OpenAI's and Anthropic's clients use besides chat completions and the model list; on both listeners."""
