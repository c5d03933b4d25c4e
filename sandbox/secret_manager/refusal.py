"""How the local Secret Manager refuses a call.

A refusal may carry a reason, which says more than its code. Google's clients show it as `error.reason`. Source:
`google.rpc.ErrorInfo` and `google.api.ErrorReason`.
"""

from __future__ import annotations

from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

IAM_PERMISSION_DENIED = "IAM_PERMISSION_DENIED"
_SERVICE = "secretmanager.googleapis.com"


class Refusal(Exception):
    """A call that Secret Manager answers with an error status."""

    def __init__(self, code: StatusCode, message: str, reason: str | None = None, **metadata: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self._metadata = metadata

    def status(self) -> Status:
        """Return the refusal as both transports send it, its reason in the details."""
        status = Status(code=self.code.value[0], message=str(self))
        if self.reason:
            # IAM's own refusals name its domain. All other reasons are common to Google's APIs.
            domain = "iam.googleapis.com" if self.reason == IAM_PERMISSION_DENIED else "googleapis.com"
            metadata = {"service": _SERVICE, **self._metadata}
            status.details.add().Pack(ErrorInfo(reason=self.reason, domain=domain, metadata=metadata))
        return status


def invalid(message: str) -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, message)
