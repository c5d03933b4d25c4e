"""The errors of the local Threads: a name, the documented codes, and the four shapes that Meta writes errors in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

SHAPES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Refusal:
    """One error. `code` is Meta's number, `status` HTTP's; `rfc` is the word that shape 4 uses."""

    message: str
    code: int
    subcode: int | None = None
    status: int = 400
    shape: int = 2
    type: str = "OAuthException"
    transient: bool | None = None
    rfc: str = "invalid_request"
    retry_after: int | None = None

    def in_words(self) -> str:
        """Return the message with its codes."""
        codes = f"{self.code}/{self.subcode}" if self.subcode else str(self.code)
        return f"{self.message.rstrip('.')} ({codes}, HTTP {self.status})"

    def body(self) -> dict[str, Any]:
        """Return the error as JSON in its shape."""
        if self.shape == 1:
            return {"error_type": self.type, "code": self.status, "error_message": self.message}
        if self.shape == 3:
            return {"error_message": self.message, "error_code": self.code}
        if self.shape == 4:
            return {"error": self.rfc, "error_description": self.message}
        error: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        if self.subcode:
            error["error_subcode"] = self.subcode
        if self.transient is not None:
            error["is_transient"] = self.transient
        return {"error": error | {"fbtrace_id": "ALocalThreadsTraceId000"}}


class Refused(Exception):
    """The local Threads says no."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refused(name: str, **changes: Any) -> Refused:
    """Return the exception for the refusal of this name."""
    return Refused(replace(REFUSALS.get(name) or OBJECT_REFUSALS[name], **changes))


def _dead(subcode: int | None, why: str) -> Refusal:
    return Refusal(f"Error validating access token: {why}", 190, subcode, rfc="invalid_grant")


def _throttled(code: int, message: str = "(#{}) Request limit reached") -> Refusal:
    return Refusal(message.format(code), code, rfc="temporarily_unavailable", type="THApiException")


def _shown(code: int, message: str) -> Refusal:
    return Refusal(message, code, shape=3, rfc="unauthorized_client")


_TRANSIENT = {
    "unknown_error": Refusal("An unknown error has occurred.", 1, status=500, rfc="server_error"),
    "unknown_error_400": Refusal("An unknown error has occurred.", 1, rfc="server_error"),
    "unavailable": Refusal(
        "Service temporarily unavailable", 2, status=503, transient=True, rfc="temporarily_unavailable"
    ),
    "code_2": Refusal("Service temporarily unavailable", 2, rfc="temporarily_unavailable"),
    "transient_flag": Refusal("Please retry your request later.", 99, transient=True, rfc="temporarily_unavailable"),
}
_THROTTLED = {
    "throttled": _throttled(4),
    "throttled_17": _throttled(17),
    "throttled_32": _throttled(32),
    "throttled_341": _throttled(341),
    "throttled_613": _throttled(613),
    "throttled_80002": _throttled(80002, "(#{}) There have been too many calls to this account"),
    "retry_after": Refusal("(#4) Request limit reached", 4, status=429, retry_after=30, rfc="temporarily_unavailable"),
    "blocked": Refusal("The action attempted has been deemed abusive or is otherwise disallowed", 368),
}
_SIGN_IN = {
    "invalid_token": _dead(None, "The token cannot be parsed."),
    "app_removed": _dead(458, "The user has not authorized this app."),
    "checkpoint": _dead(459, "The user is checkpointed."),
    "unconfirmed": _dead(464, "The user is not confirmed."),
    "password_changed": _dead(460, "The password has been changed."),
    "expired": _dead(463, "Session has expired on Sunday, 01-Nov-26 00:00:00 PST."),
    "invalidated": _dead(467, "The session has been invalidated."),
    "session_492": _dead(492, "The session cannot be used any more."),
    "session": Refusal("Session key invalid or no longer valid", 102, rfc="invalid_grant"),
    "unauthorized": Refusal("Invalid OAuth access token", 190, status=401, rfc="invalid_token"),
}
_PERMISSION = {
    "permission": Refusal("(#10) The permission threads_basic is missing", 10, type="THApiException"),
    "permission_200": Refusal("(#200) Permissions error", 200, status=403, type="THApiException"),
    "permission_299": Refusal("(#299) Permissions error", 299, status=403, type="THApiException"),
}
_OPERATOR = {
    "bad_secret": Refusal("Error validating client secret.", 1, rfc="invalid_client"),
    "bad_app": Refusal("Error validating application. Cannot get application info.", 101, rfc="invalid_client"),
    "meta_app": Refusal("The app is incompatible with TH__APPLICATION", 101, rfc="invalid_client"),
    "bad_redirect_uri": Refusal(
        "Make sure that redirect_uri is identical to the one of the authorization request",
        100,
        shape=1,
        rfc="invalid_grant",
    ),
    "api_deactivated": Refusal("API access deactivated. To reactivate, go to the app dashboard.", 200),
    "capability": Refusal("(#3) Application does not have the capability to make this API call.", 3),
    "appsecret_proof": Refusal("API calls from the server require an appsecret_proof argument", 100),
    "invalid_platform_app": Refusal("Invalid platform app", 101, shape=1, rfc="invalid_client"),
    "insufficient_role": Refusal("Insufficient developer role", 101, shape=1, rfc="unauthorized_client"),
    "redirect_uri_191": Refusal("The redirect_uri is not one of the app's", 191, rfc="invalid_request"),
    "not_invited": _shown(1349245, "The user has not accepted the invite to test the app"),
    "url_blocked": _shown(1349168, "URL Blocked: this redirect failed because the redirect URI is not whitelisted"),
    "insecure": _shown(1349187, "Insecure Login Blocked: the redirect URI must use https"),
    "no_app_data": _shown(1349026, "No application data was given"),
    "no_app_id": _shown(4476002, "No app ID was provided"),
    "no_client_id": _shown(1, "An unknown error has occurred"),
}
_OTHER = {
    "code_spent": Refusal("Matching code was not found or was already used", 100, shape=1, rfc="invalid_grant"),
    "verification_code": Refusal(
        "Error validating verification code. Please make sure your redirect_uri is identical to the one you used",
        100,
        rfc="invalid_grant",
    ),
    "on_no_list": Refusal("Something new", 99999, type="THApiException"),
    "too_young": Refusal("The access token cannot be refreshed", 100, type="THApiException", rfc="invalid_grant"),
    "no_resource": Refusal("The requested resource does not exist", 24, type="THApiException"),
    "no_resource_100": Refusal("The requested resource does not exist", 100, type="THApiException"),
    "wrong_kind": Refusal("Unsupported request: not a token for this call", 100, type="THApiException"),
    "bad_parameter": Refusal("Invalid parameter", 100, type="THApiException"),
    "no_token_given": Refusal("An access token is required to request this resource.", 104),
    "not_found": Refusal("Unknown path components", 2500, status=404),
    "not_allowed": Refusal("Unsupported method", 100, status=405, type="THApiException"),
}
# For posts and other objects, which the keeper never asks for.
OBJECT_REFUSALS: Mapping[str, Refusal] = {
    "no_object": Refusal(
        "Unsupported request. The object does not exist or cannot be loaded due to missing permissions",
        100,
        33,
        type="THApiException",
    ),
    # Meta's pages do not say how these two are answered.
    "used_up": Refusal("(#4) Application request limit reached", 4, type="THApiException"),
    "not_ready": Refusal("(#100) The media is not ready to be published", 100, type="THApiException"),
}
# The errors by what they mean, for people who choose one.
GROUPS: Mapping[str, Mapping[str, Refusal]] = {
    "It passes": _TRANSIENT,
    "Too many calls": _THROTTLED,
    "The person must sign in again": _SIGN_IN,
    "A permission is missing": _PERMISSION,
    "The app is set up wrongly": _OPERATOR,
    "Others": _OTHER,
}
REFUSALS: Mapping[str, Refusal] = _TRANSIENT | _THROTTLED | _SIGN_IN | _PERMISSION | _OPERATOR | _OTHER
