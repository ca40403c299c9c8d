"""What is told of the routes of other people's APIs: OpenAI's, Anthropic's, Ollama's."""

from __future__ import annotations

from collections.abc import Mapping

from thane.http.openapi import anthropic_shapes as anthropic
from thane.http.openapi import ollama_shapes as ollama
from thane.http.openapi import openai_shapes as openai
from thane.http.openapi import responses_shapes as responses
from thane.http.openapi.told import NDJSON, SSE, Told

_LATEST = "thane:latest"
_HELLO = {"model": _LATEST, "messages": [{"role": "user", "content": "hello"}]}
_NOT_MADE = {501: "No model makes embeddings."}
_NO_MODEL = {404: "No such model."}
_SHUT = {501: "Always."}
_DIGEST = {"pattern": r"^sha256[:-][0-9a-fA-F]{64}$"}
_NO_CLOUD = {403: "Always."}

V1: Mapping[str, Told] = {
    "POST /v1/chat/completions": Told(
        title="Chat", body=openai.ChatCompletionRequest, answer=openai.ChatCompletion, streams=SSE, example=_HELLO
    ),
    "POST /v1/completions": Told(
        title="Complete a text",
        body=openai.CompletionRequest,
        answer=openai.Completion,
        streams=SSE,
        example={"model": _LATEST, "prompt": "hello"},
    ),
    "POST /v1/responses": Told(
        title="Make a response",
        body=responses.ResponseRequest,
        answer=responses.ResponseAnswer,
        streams=SSE,
        example={"model": _LATEST, "input": "hello"},
    ),
    "GET /v1/responses/{response_id}": Told(
        title="Read a response", answer=responses.ResponseAnswer, errors={404: "No such response."}
    ),
    "POST /v1/embeddings": Told(
        title="Make embeddings",
        body=openai.EmbeddingRequest,
        answer=openai.Embeddings,
        errors=_NOT_MADE,
        example={"model": _LATEST, "input": ["kitchen", "garden"]},
    ),
    "GET /v1/models": Told(title="List the models", answer=openai.ModelList),
    "GET /v1/models/{model_id}": Told(title="Look at a model", answer=openai.ListedModel, errors=_NO_MODEL),
    "POST /v1/messages": Told(
        title="Chat",
        body=anthropic.MessagesRequest,
        answer=anthropic.MessagesAnswer,
        streams=SSE,
        example={**_HELLO, "max_tokens": 500},
    ),
    "POST /v1/messages/count_tokens": Told(
        title="Count tokens", body=anthropic.MessagesRequest, answer=anthropic.TokenCount, example=_HELLO
    ),
}

OLLAMA: Mapping[str, Told] = {
    "POST /api/chat": Told(
        title="Chat", body=ollama.OllamaChatRequest, answer=ollama.OllamaChatAnswer, streams=NDJSON, example=_HELLO
    ),
    "POST /api/generate": Told(
        title="Answer a prompt",
        body=ollama.OllamaGenerateRequest,
        answer=ollama.OllamaGenerateAnswer,
        streams=NDJSON,
        example={"model": _LATEST, "prompt": "hello", "stream": False},
    ),
    "POST /api/embed": Told(
        title="Make embeddings",
        body=ollama.OllamaEmbedRequest,
        answer=ollama.OllamaEmbedAnswer,
        errors=_NOT_MADE,
        example={"model": _LATEST, "input": ["kitchen", "garden"]},
    ),
    "POST /api/embeddings": Told(
        title="Make one embedding",
        body=ollama.OllamaEmbeddingsRequest,
        answer=ollama.OllamaEmbeddingsAnswer,
        errors=_NOT_MADE,
        example={"model": _LATEST, "prompt": "kitchen"},
    ),
    "GET /api/version": Told(title="Ask for Ollama's version", answer=ollama.OllamaVersion),
    "GET /api/tags": Told(title="List the models", answer=ollama.OllamaTags),
    "GET /api/ps": Told(title="List what is ready", answer=ollama.OllamaLoaded),
    "POST /api/show": Told(
        title="Look at a model",
        body=ollama.OllamaName,
        answer=ollama.OllamaShown,
        errors=_NO_MODEL,
        example={"model": _LATEST},
    ),
    "POST /api/pull": Told(
        title="Pull a model",
        body=ollama.OllamaPullRequest,
        answer=ollama.OllamaStatus,
        streams=NDJSON,
        errors=_NO_MODEL,
        example={"model": _LATEST},
    ),
    "POST /api/push": Told(
        title="Push a model", body=ollama.OllamaName, statuses={}, errors=_SHUT, example={"model": _LATEST}
    ),
    "POST /api/create": Told(
        title="Create a model", body=ollama.OllamaName, statuses={}, errors=_SHUT, example={"model": "mine"}
    ),
    "POST /api/copy": Told(
        title="Copy a model",
        body=ollama.OllamaCopyRequest,
        statuses={},
        errors={**_NO_MODEL, **_SHUT},
        example={"source": _LATEST, "destination": "mine"},
    ),
    "DELETE /api/delete": Told(
        title="Delete a model",
        body=ollama.OllamaName,
        statuses={},
        errors={**_NO_MODEL, **_SHUT},
        example={"model": _LATEST},
    ),
    "HEAD /api/blobs/{digest}": Told(
        title="Look for a file", statuses={}, errors={404: "Always."}, path={"digest": _DIGEST}
    ),
    "POST /api/blobs/{digest}": Told(title="Store a file", statuses={}, errors=_SHUT, path={"digest": _DIGEST}),
    "POST /api/me": Told(title="Ask who is signed in", statuses={}, errors=_NO_CLOUD),
    "POST /api/signout": Told(title="Sign out", statuses={}, errors=_NO_CLOUD),
    "DELETE /api/user/keys/{key}": Told(title="Take away a key", statuses={}, errors=_NO_CLOUD),
    "POST /api/experimental/web_search": Told(title="Search the web", statuses={}, errors=_NO_CLOUD),
    "POST /api/experimental/web_fetch": Told(title="Fetch a page", statuses={}, errors=_NO_CLOUD),
    "GET /api/experimental/model-recommendations": Told(title="Ask which models to get"),
    "GET /api/status": Told(title="Ask for the cloud", answer=ollama.OllamaCloudStatus),
}
