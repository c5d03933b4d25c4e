"""What people do to the keeper: sign in, leave, come back, change their name, lie."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox.threads.person import Person
from sandbox.threads.tokens import DEFAULT_SCOPES
from soak import processes
from soak.operators import LABELS, LAST_DAYS, MARKS, Operators
from soak.processes import Process
from soak.stage import Stage
from soak.violation import Violation
from token_keeper.account import USER_ID

CALLBACK = "https://keeper.example/callback"
STRANGER = "zz.stranger"
Doing = tuple[Process, Callable[[], None]]
_WIDER: tuple[str, ...] = (*DEFAULT_SCOPES, "threads_manage_insights")
_WITHOUT_BASIC = tuple(scope for scope in DEFAULT_SCOPES if scope != "threads_basic")


class People:
    """Everybody who has an account here, and one stranger. They do something about once a month."""

    def __init__(self, stage: Stage, count: int) -> None:
        self._stage, self._rng = stage, stage.rng
        self._profiles, self._tokens = stage.threads.people, stage.threads.tokens
        self._model = stage.model
        self.operators = Operators(stage)
        self.told: dict[str, str] = {}
        self._old_requests: list[tuple[str, str, str]] = []
        self._stranger = self._profiles.add(STRANGER)
        for number in range(count):
            name = f"u{number}.x" if number % 5 == 0 else f"u{number}"
            person = self._profiles.add(name, private=self._rng.random() < 0.2)
            secret = f"threads-token-{name.replace('.', '-')}"
            stage.manager.create(secret, labels=LABELS, annotations=MARKS)
            self._model.accounts[secret] = person
            stage.homes[secret] = name

    def settle(self) -> None:
        """Everybody signs in for the first time; a few paste a token instead."""
        self._stage.weather.quiet = True
        for secret, person in self._model.accounts.items():
            if self._rng.random() < 0.2:
                self.operators.paste_own(secret)
            else:
                self._stage.alone(*self._sign_in(secret, person, careful=True))
        self._stage.weather.quiet = False
        self._model.check(iter(self._model.accounts))

    def todays_doings(self) -> list[Doing]:
        """Return what people and operators do today; what needs no turn of its own, is done at once."""
        self.operators.mend()
        doings: list[Doing] = []
        for secret, person in self._model.accounts.items():
            told = self.told.get(secret) in ("sign_in_again", "not_signed_in")
            if told and (self._rng.random() < 0.15 or self._in_its_last_days(secret)):
                doings.append(self._sign_in(secret, person, careful=True))
            elif self._rng.random() < 0.012:
                doings += self._something(secret, person)
            elif self._rng.random() < 0.012:
                doings.append(self.operators.something(secret))
        return doings

    def _in_its_last_days(self, secret: str) -> bool:
        """Return whether a sign-in is urgent: people who are told to sign in do so before the token expires."""
        life = self._model.life_left(secret)
        return life is not None and life < LAST_DAYS

    def _something(self, secret: str, person: Person) -> list[Doing]:
        rng = self._rng
        what = rng.choices(
            ("sign_in", "leave", "dead", "name", "private", "replay", "lie", "stranger"), (4, 2, 2, 1, 1, 2, 2, 2)
        )[0]
        if what == "sign_in":
            return [self._sign_in(secret, person)]
        if what == "leave":
            return [self._leave(secret, person, rng.choice(("/uninstall", "/delete")))]
        if what == "dead":
            self._lose_tokens(secret, person)
        if what == "name":
            self._rename(secret, person)
        if what == "private":
            self._profiles.set_private(person.username, not person.private)
        if what == "replay" and self._old_requests:
            return [self._replay()]
        if what == "lie":
            return [self._forge(person), self._without_state(person)]
        if what == "stranger":
            return [self._sign_in("", self._stranger), self._stranger_leaves()]
        return []

    # Signing in

    def _sign_in(self, secret: str, person: Person, careful: bool = False) -> Doing:
        """Sign in. A person who is not careful sometimes ticks other boxes than last time."""
        scopes: tuple[str, ...] = DEFAULT_SCOPES
        if not careful:
            scopes = self._rng.choices((DEFAULT_SCOPES, _WIDER, _WITHOUT_BASIC), (6, 3, 1))[0]

        def sign_in() -> None:
            oauth = self._stage.function("oauth")
            state = oauth.get("/login").headers["Location"].partition("state=")[2]
            code = self._tokens.issue_code(person.username, CALLBACK, scopes)
            reply = oauth.get("/callback", query_string={"state": state, "code": code})
            if reply.status_code == 303:
                self._stage.report.counted["sign-ins"] += 1
                process = processes.current()
                # A reply of Threads about somebody else may have led to another account.
                if secret and process and not process.lied_to:
                    self._model.promised(secret)

        return Process("sign_in"), sign_in

    def _without_state(self, person: Person) -> Doing:
        def attack() -> None:
            code = self._tokens.issue_code(person.username, CALLBACK)
            reply = self._stage.function("oauth", 9).get("/callback", query_string={"state": "forged", "code": code})
            if reply.status_code != 400:
                raise Violation(f"a forged state was answered {reply.status_code}")

        return Process("sign_in"), attack

    # Leaving

    def _leave(self, secret: str, person: Person, path: str) -> Doing:
        def leave() -> None:
            self._profiles.remove_app(person.username)
            self._model.revoked(secret)
            # A second, which is what the request is dated in, passes between a token's making and its owner's leaving.
            self._stage.clock.forward(timedelta(seconds=2))
            request = self._stage.threads.signed_request(person.username)
            # Were the account unbound while a stranger has its name, the stranger would be its rightful owner.
            where = path if self._is_at_home(secret) else "/uninstall"
            self._old_requests.append((where, request, secret))
            self._ask_for_removal(where, request)

        return Process("remove"), leave

    def _ask_for_removal(self, path: str, request: str) -> None:
        for _ in range(3):
            reply = self._stage.function("oauth", 1).post(path, data={"signed_request": request})
            if reply.status_code == 200:
                return

    def _stranger_leaves(self) -> Doing:
        """Remove the app as somebody who is on no list: it concerns nobody, unless the stranger has a person's name."""

        def leave() -> None:
            self._profiles.remove_app(self._stranger.username)
            self._stage.clock.forward(timedelta(seconds=2))
            self._ask_for_removal("/uninstall", self._stage.threads.signed_request(self._stranger.username))

        return Process("remove"), leave

    def _lose_tokens(self, secret: str, person: Person) -> None:
        profiles = self._profiles
        self._rng.choice((profiles.change_password, profiles.checkpoint, profiles.revoke))(person.username)
        self._model.revoked(secret)

    def _replay(self) -> Doing:
        path, request, secret = self._rng.choice(self._old_requests)

        def replay() -> None:
            if self._is_at_home(secret):
                self._stage.function("oauth", 1).post(path, data={"signed_request": request})

        return Process("remove"), replay

    def _forge(self, person: Person) -> Doing:
        def forge() -> None:
            request = self._stage.threads.signed_request(person.username)
            forged = ("A" if request[0] != "A" else "B") + request[1:]
            reply = self._stage.function("oauth", 1).post("/delete", data={"signed_request": forged})
            if reply.status_code != 400:
                raise Violation(f"a forged signed_request was answered {reply.status_code}")

        return Process("remove"), forge

    # Names

    def _rename(self, secret: str, person: Person) -> None:
        """Take another name, or have a stranger take this one; `come_home` undoes it."""
        name, bound = self._stage.homes[secret], self._stage.manager.labels(secret).get(USER_ID)
        if not self._is_at_home(secret) or bound not in (None, person.id):
            return
        if self._rng.random() < 0.5 or self._stranger.username != STRANGER or bound is None:
            self._profiles.rename(name, f"{name}.new")
        else:
            self._profiles.hand_over(name, STRANGER)

    def _is_at_home(self, secret: str) -> bool:
        return self._model.accounts[secret].username == self._stage.homes[secret]

    def come_home(self) -> None:
        """Everybody goes by their first name again, and operators undo their mistakes."""
        if self._stranger.username != STRANGER:
            self._profiles.rename(self._stranger.username, STRANGER)
        for secret, name in self._stage.homes.items():
            if not self._is_at_home(secret):
                self._profiles.rename(self._model.accounts[secret].username, name)
        self.operators.mend(everything=True)

    # Being told

    def hear(self, body: dict[str, Any]) -> None:
        """Read a run's reply."""
        for account in body["accounts"]:
            secret = account["secret"].rpartition("/")[2]
            self.told[secret] = account["outcome"]
            self._stage.report.counted[account["outcome"]] += 1

    def obey(self) -> None:
        """Do what the last run asked for."""
        for secret, person in self._model.accounts.items():
            if self.told.get(secret) in ("sign_in_again", "not_signed_in"):
                self._stage.alone(*self._sign_in(secret, person, careful=True))
            if self.told.get(secret) == "misconfigured":
                self.operators.obey(secret)
