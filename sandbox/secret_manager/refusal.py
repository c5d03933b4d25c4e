"""How the local Secret Manager refuses a call."""

from __future__ import annotations

from grpc import StatusCode


class Refusal(Exception):
    """A call that Secret Manager answers with an error status."""

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def invalid(message: str) -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, message)
