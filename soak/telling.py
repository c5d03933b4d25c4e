"""Whether somebody is told in time: by an ERROR line, or an outcome of sign_in_again or misconfigured.

The contract's times: what only a person can mend is told by the first run after the token was due that nothing
disturbs; a refusal of Threads' that says nothing of the token, within a day more; and a token with under 14 days left
that was not renewed, by every run.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.secret_manager.server import SecretManager
from soak.model import Model
from soak.processes import Process
from soak.violation import Violation
from soak.weather import Weather
from token_keeper.access_token import looks_like_token
from token_keeper.account import KEEPER, MANAGED_BY, USER_ID, secret_id_for

NEEDS_A_PERSON = ("sign_in_again", "misconfigured")
DAY, WORRY = timedelta(days=1), timedelta(days=14)
TRIED = 5  # versions that a run tries where Threads refuses the newest
# What a run says of accounts that it did not ask about, for a reason that is none of theirs.
NOT_ASKED = re.compile("The run's time was used up|Threads limits the rate of calls, so it was not asked")


@dataclass
class Told:
    """What one run said of one account."""

    outcome: str
    expires_at: datetime | None
    grant_ends_at: datetime | None
    detail: str
    error: bool  # whether an ERROR was logged

    @classmethod
    def read(cls, account: dict[str, Any], process: Process) -> Told:
        ends, grant = account["expires_at"], account["data_access_expires_at"]
        return cls(
            outcome=account["outcome"],
            expires_at=datetime.fromisoformat(ends) if ends else None,
            grant_ends_at=datetime.fromisoformat(grant) if grant else None,
            detail=account["detail"] or "",
            error=account["username"] in process.errors,
        )

    def is_near_its_end(self, now: datetime) -> bool:
        renewed = self.outcome in ("refreshed", "too_young")
        token = self.expires_at is not None and self.expires_at - now < WORRY and not renewed
        return token or (self.grant_ends_at is not None and self.grant_ends_at - now < WORRY)

    @property
    def is_loud(self) -> bool:
        return self.error or self.outcome in NEEDS_A_PERSON


class Telling:
    """Compares what runs say with what is so."""

    def __init__(self, model: Model, manager: SecretManager, weather: Weather, refresh_after: timedelta) -> None:
        self._model, self._manager, self._weather, self._refresh_after = model, manager, weather, refresh_after
        self.counted: Counter[str] = Counter()
        self.longest_silence = timedelta()
        self._unclear_since: dict[str, datetime] = {}
        self._ailing_since: dict[str, datetime] = {}

    def complaints(self, now: datetime) -> dict[str, str]:
        """Return what a run must tell of each account, where there is anything."""
        found = {secret: self._complaint(secret, now) for secret in self._model.accounts}
        return {secret: complaint for secret, complaint in found.items() if complaint}

    def _complaint(self, secret: str, now: datetime) -> str | None:
        labels, annotations = self._manager.labels(secret), self._manager.annotations(secret)
        described = "version" in annotations
        if labels.get(MANAGED_BY) != KEEPER:
            return "the label is gone" if described or USER_ID in labels else None
        if described and not self._is_due(annotations, now):
            return None
        held = self._model.held(secret)
        if not held:
            return "the versions are gone" if described else None
        return self._of_versions(secret, held, labels)

    def _of_versions(self, secret: str, held: dict[int, str], labels: dict[str, str]) -> str | None:
        model, newest = self._model, held[max(held)]
        tried = [held[number] for number in sorted(held, reverse=True)[:TRIED]]
        if secret in self._weather.locked:
            return "the key is gone"
        if any(model.is_short_lived(token) for token in tried):
            return None  # within the hour it lives, and then it is a dead one
        if not looks_like_token(newest) or model.is_somebody_elses(secret, newest):
            return "the newest version is none of the account's"
        if not any(model.is_usable(secret, token) for token in tried):
            return "no version lives"
        if model.grant_ended(secret):
            return "the grant has ended"
        if USER_ID not in labels and secret_id_for(model.accounts[secret].username) != secret:
            return "nothing says whose it is"
        if labels.get(USER_ID) not in (None, model.accounts[secret].id):
            return "the label names somebody else"
        return None

    def _is_due(self, annotations: dict[str, str], now: datetime) -> bool:
        made, ends = (datetime.fromisoformat(annotations[name]) for name in ("refreshed-at", "expires-at"))
        return now - made >= (DAY if ends - now < WORRY else self._refresh_after)

    # After a run

    def check(self, process: Process, before: dict[str, str], body: dict[str, Any], now: datetime, alone: bool) -> None:
        """Check what an undisturbed run told, `before` being what it had to tell as it began."""
        told = {one["secret"].rpartition("/")[2]: Told.read(one, process) for one in body["accounts"]}
        for secret, one in told.items():
            self._check_near_end(secret, one, now)
            self._check_stored(secret, one, process)
        if "" not in process.disturbed and alone:
            complaints = self.complaints(now)
            for secret in self._model.accounts:
                if secret not in process.disturbed:
                    said = told.get(secret)
                    if secret in process.stored and said and said.outcome == "retry_later":
                        continue  # what is stored without a proof is proven by the next run
                    self._check_told(secret, {before.get(secret), complaints.get(secret)}, said)
        self._measure(told, now)

    def _check_told(self, secret: str, complaints: set[str | None], told: Told | None) -> None:
        """`complaints` are what there was to tell before and after the run: if they differ, something else happened."""
        if len(complaints) > 1 or (told and NOT_ASKED.match(told.detail)):
            return
        (complaint,) = complaints
        said = f"a run said {told.outcome if told else 'nothing'}. {self._model.describe(secret)}"
        stands = self._manager.annotations(secret).get("problem") in NEEDS_A_PERSON  # an earlier run has told it
        if complaint and not stands and not (told and told.is_loud):
            raise Violation(f"{secret}: SILENCE: {complaint}, and {said}")
        if complaint is None and told and told.outcome in NEEDS_A_PERSON and self._is_well(secret, told):
            raise Violation(f"{secret}: FALSE ALARM: {told.detail}, and {said}")
        self.counted[f"told: {complaint}"] += complaint is not None

    def _is_well(self, secret: str, told: Told) -> bool:
        """Return whether nothing is wrong with an account. The next refresh finds out that a grant has come back."""
        model, tokens = self._model, self._model.held(secret).values()
        may_have_ended = "grant ended" in told.detail or model.grant_ended(secret)
        return model.whole(secret) and not may_have_ended and not any(map(model.is_short_lived, tokens))

    @staticmethod
    def _check_near_end(secret: str, told: Told, now: datetime) -> None:
        if told.is_near_its_end(now) and not told.error:
            raise Violation(f"{secret}: SILENCE: it ends at {told.expires_at}, and {told.outcome} was no ERROR")

    def _check_stored(self, secret: str, told: Told, process: Process) -> None:
        """Check that what a run has stored is not called a mistake of the operator's."""
        bound = self._manager.labels(secret).get(USER_ID) in (None, self._model.accounts[secret].id)
        if secret in process.stored and bound and told.outcome == "misconfigured":
            raise Violation(f"{secret}: a token was stored, and the run said misconfigured: {told.detail}")

    def check_look(self, told: dict[str, str], disturbed: set[str], body: dict[str, Any]) -> None:
        """Check that a look right after a run says what the run said: `told` is its outcome for each secret."""
        for one in body["accounts"]:
            secret, outcome = one["secret"].rpartition("/")[2], one["outcome"]
            said = told.get(secret, outcome)
            if said == "retry_later" or secret in disturbed:  # a passing fault leaves the verdict before it
                continue
            if said != outcome and (said in NEEDS_A_PERSON or outcome in NEEDS_A_PERSON):
                raise Violation(f"{secret}: a run said {said}, and a look right after it {outcome}: {one['detail']}")
        self.counted["looks compared"] += 1

    # Refusals that say nothing of the token

    def check_unclear(self, process: Process, body: dict[str, Any], now: datetime, active: bool) -> None:
        """Check that an unclear refusal, of `/me` too, is told when it has lasted for a day."""
        if not active:
            self._unclear_since.clear()
            return
        for one in body["accounts"]:
            secret, told = one["secret"].rpartition("/")[2], Told.read(one, process)
            if told.outcome in ("refreshed", "too_young", "not_signed_in") or told.is_loud:
                self._unclear_since.pop(secret, None)
                self.counted["told: unclear for a day"] += told.is_loud
            elif not NOT_ASKED.match(told.detail):
                since = self._unclear_since.setdefault(secret, now)
                if now - since > DAY + timedelta(hours=1):
                    raise Violation(f"{secret}: SILENCE: unclear since {since}, and {told.outcome}: {told.detail}")

    # How long nobody knew

    def _measure(self, told: dict[str, Told], now: datetime) -> None:
        for secret in self._model.accounts:
            one = told.get(secret)
            described = "version" in self._manager.annotations(secret)
            if self._model.whole(secret) or not described or (one and one.is_loud):
                self._ailing_since.pop(secret, None)
            else:
                since = self._ailing_since.setdefault(secret, now)
                self.longest_silence = max(self.longest_silence, now - since)
