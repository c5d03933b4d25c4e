"""Logs: one JSON object a line on standard output, as Cloud Logging reads them.

Only what is named here can be logged, and nothing that is named here is secret.
Source: Google Cloud, Cloud Logging: "Structured logging", special fields.
"""

from __future__ import annotations

import contextvars
import json
import re
import sys

_trace: contextvars.ContextVar[str | None] = contextvars.ContextVar("trace", default=None)


def join_request(project: str, trace_header: str | None) -> None:
    """Have the lines that follow join the request's own, by its X-Cloud-Trace-Context header."""
    trace_id = re.match(r"[0-9a-f]{32}(?=/|;|$)", trace_header or "")
    _trace.set(f"projects/{project}/traces/{trace_id[0]}" if trace_id else None)


def write(
    severity: str,
    event: str,
    message: str,
    *,
    username: str | None = None,
    version: str | None = None,
    days_left: int | None = None,
    outcomes: dict[str, int] | None = None,
) -> None:
    """Log one event. INFO: it went well. WARNING: a passing fault. ERROR: a person must act, and how."""
    line = {
        "severity": severity,
        "message": message,
        "event": event,
        "username": username,
        "version": version,
        "days_left": days_left,
        "outcomes": outcomes,
        "logging.googleapis.com/trace": _trace.get(),
    }
    # One write a line: threads share standard output.
    sys.stdout.write(json.dumps({key: value for key, value in line.items() if value is not None}) + "\n")
    sys.stdout.flush()
