"""Errors by whose fault they are, so that each is answered once and in one way.

Every one says what is wrong, where, and what to do. What is not one of these is a bug of ours: logged whole, told to
the outside only as "internal error" with the request's id.
"""

from __future__ import annotations


class ThaneError(Exception):
    """Root of the errors that Thane raises on purpose; never raised itself."""


class ClientError(ThaneError):
    """The request cannot be served as it stands. Not for a failing dependency, nor for a wrong configuration."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_request",
        retry_after: float | None = None,
        spoken: str = "",
    ) -> None:
        """`retry_after` is in seconds. `spoken` is for a person who talks to a client that shows no errors, where
        `message` is in the words that programs look for."""
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.spoken = spoken or message


class ConfigurationError(ThaneError):
    """The owner's configuration is wrong. The message names file, line and path, and the nearest valid name."""


class DependencyError(ThaneError):
    """Something that Thane leans on (a model server, Home Assistant, a disk) failed. Not for a client that hung up."""

    def __init__(self, message: str, *, dependency: str, temporary: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.dependency = dependency
        self.temporary = temporary
