"""The numbers that a test, a simulation or a benchmark wants otherwise, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All times are in seconds, all quotas in calls a minute."""

    # Threads
    connect_timeout: float = 5.0
    read_timeout: float = 15.0
    attempts: int = 3  # of a call that may be repeated
    backoff: float = 0.5  # before the second attempt; doubled each time, with jitter

    throttled_in_a_row: int = 3  # after so many refusals nothing is asked any more
    throttled_pause: float = 1800.0  # for which nothing is asked then: longer than a run

    # Secret Manager
    call_timeout: float = 10.0  # of one attempt
    quota: int = 600  # reads, and as many writes, of one project: "Quotas and limits"
    left_to_others: int = 20  # calls of the quota that a run leaves to people who sign in meanwhile
    sign_in_patience: float = 20.0  # for which a call is repeated while somebody waits
    run_patience: float = 60.0
    refusal_patience: float = 420.0  # for which a refused add is repeated: a new right takes up to seven minutes

    # Runs and sign-ins
    workers: int = 32
    settling: float = 2.0  # that another run may need between refreshing a token and storing the new one
    callback: float = 80.0  # after which a callback answers, whatever hangs
    body: float = 5.0  # in which the body of a request must have come
    bodies: int = 8  # bodies that are waited for at once: slow ones must not take every thread of the server
