"""The errors that Threads shows by itself in a person's browser: they never reach us, so the start page explains them.

Source: reports of people who met them; Meta documents none of the codes.
"""

from __future__ import annotations

from typing import NamedTuple


def message(text: str) -> str:
    """Mark a message for the catalogues; the page looks its translation up."""
    return text


class ShownByThreads(NamedTuple):
    """An error: its codes, what Threads writes, whose move it is, and the cause with its remedy."""

    codes: tuple[str, ...]
    shown: str
    whose: str
    cause: str


_OPERATOR = message("The operator:")
SHOWN_BY_THREADS = (
    ShownByThreads(
        ("1349245",),
        "The user has not accepted the invite to test the app",
        message("Both:"),
        message(
            "the account has no invite as a tester, has not accepted it, or this browser is signed in with "
            "another account. The operator invites it under App roles → Roles → Add People → Threads Tester. "
            "The account's owner accepts the invite in Threads under Settings → Account → Website "
            "permissions → Invites, more reliably on the website than in the app. The owner of the Meta app "
            "needs an invite too."
        ),
    ),
    ShownByThreads(
        ("1349168",),
        "URL Blocked: the redirect URI is not whitelisted",
        _OPERATOR,
        message(
            "the first of the three URLs below is not registered in Meta's dashboard exactly as it stands "
            "here. It did not become a chip before it was saved, or the dashboard added a slash at its end."
        ),
    ),
    ShownByThreads(
        ("1349187",),
        "Insecure Login Blocked",
        _OPERATOR,
        message("the redirect URL begins with http. <code>PUBLIC_URL</code> must be an https address."),
    ),
    ShownByThreads(
        (
            "1349026",
            "4476002",
        ),
        "No application data was given / No app ID was provided",
        _OPERATOR,
        message(
            "<code>THREADS_APP_ID</code> holds the id of the Meta app. The Threads app id is another number: "
            "App settings → Basic → Threads App ID. The same goes for a message that calls "
            "<code>TH__APPLICATION</code> incompatible."
        ),
    ),
    ShownByThreads(
        ("1",),
        "An unknown error has occurred",
        _OPERATOR,
        message(
            "<code>THREADS_APP_ID</code> is missing or wrong. If it is right, Threads has a passing fault: "
            "try again later."
        ),
    ),
)
