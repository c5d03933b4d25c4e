"""What people do to the keeper: sign in, paste, leave, come back, change their name, lie."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sandbox.threads.person import Person
from soak import processes
from soak.model import Violation
from soak.processes import Process
from soak.stage import Stage
from token_keeper.store import connect

CALLBACK = "https://keeper.example/callback"
STRANGER = "zz.stranger"
LAST_DAYS = timedelta(days=6)
_LABELS = {"managed-by": "threads-token-keeper", "team": "social"}
_MARKS = {"owner": "somebody@example.com"}
Doing = tuple[str, Callable[[], None]]


class People:
    """Everybody who has an account here, and one stranger. They do something about once a month."""

    def __init__(self, stage: Stage, count: int) -> None:
        self._stage, self._rng = stage, stage.rng
        self._profiles, self._tokens = stage.threads.people, stage.threads.tokens
        self._manager, self._model = stage.manager, stage.model
        self.told: dict[str, str] = {}
        self._receipts: dict[str, bool] = {}
        self._bad_pastes: list[tuple[str, int, datetime]] = []
        self._old_requests: list[tuple[str, str, Person]] = []
        self._homes: dict[Person, str] = {}
        stage.checks.append(self.check_receipts)
        self._stranger = self._profiles.add(STRANGER)
        for number in range(count):
            name = f"u{number}.x" if number % 5 == 0 else f"u{number}"
            person = self._profiles.add(name, private=self._rng.random() < 0.2)
            secret = f"threads-token-{name.replace('.', '-')}"
            self._manager.create(secret, labels=_LABELS, annotations=_MARKS)
            self._model.accounts[secret] = person
            self._homes[person] = name

    def settle(self) -> None:
        """Everybody signs in for the first time; a few paste a token instead."""
        self._stage.weather.quiet = True
        for secret, person in self._model.accounts.items():
            if self._rng.random() < 0.2:
                self._paste_own(secret, person)
            else:
                self._stage.alone(*(Process("sign_in"), self._sign_in(secret, person)))
        self._stage.weather.quiet = False
        self._model.check(iter(self._model.accounts))

    def todays_doings(self) -> list[Doing]:
        """Give what people do today that calls a function; what does not, is done at once."""
        self._mend_pastes()
        doings: list[Doing] = []
        for secret, person in self._model.accounts.items():
            told = self.told.get(secret) in ("sign_in_again", "not_signed_in")
            if told and (self._rng.random() < 0.15 or self._in_its_last_days(secret)):
                doings.append(("sign_in", self._sign_in(secret, person)))
            elif self._rng.random() < 0.02:
                doings += self._something(secret, person)
        return doings

    def _in_its_last_days(self, secret: str) -> bool:
        """Tell whether it is high time: who is told to sign in does so before the token's own end, if not at once."""
        life = self._model.life_left(secret)
        return life is not None and life < LAST_DAYS

    def _something(self, secret: str, person: Person) -> list[Doing]:
        rng = self._rng
        what = rng.choices(
            ("sign_in", "paste", "bad_paste", "leave", "dead", "name", "private", "replay", "lie", "stranger"),
            (4, 3, 5, 2, 2, 1, 1, 2, 2, 2),
        )[0]
        if what == "sign_in":
            return [("sign_in", self._sign_in(secret, person))]
        if what == "paste":
            self._paste_own(secret, person)
        if what == "bad_paste":
            self._paste_badly(secret, person)
        if what == "leave":
            return [("remove", self._leave(secret, person, rng.choice(("/uninstall", "/delete"))))]
        if what == "dead":
            self._lose_tokens(person)
        if what == "name":
            self._rename(secret, person)
        if what == "private":
            self._profiles.set_private(person.username, not person.private)
        if what == "replay" and self._old_requests:
            return [("remove", self._replay())]
        if what == "lie":
            return [("remove", self._forge(person)), ("sign_in", self._without_state(person))]
        if what == "stranger":
            return [("sign_in", self._sign_in("", self._stranger))]
        return []

    # Signing in

    def _sign_in(self, secret: str, person: Person) -> Callable[[], None]:
        def sign_in() -> None:
            oauth = self._stage.function("oauth")
            state = oauth.get("/login").headers["Location"].partition("state=")[2]
            code = self._tokens.issue_code(person.username, CALLBACK)
            self._receipts.pop(secret, None)
            reply = oauth.get("/callback", query_string={"state": state, "code": code})
            if reply.status_code == 303:
                self._stage.report.counted["sign-ins"] += 1
                process = processes.current()
                if process and not process.lied_to:  # or it may be somebody else's token, in somebody else's account
                    self._receipts[secret] = True

        return sign_in

    def check_receipts(self) -> None:
        """Whoever was told that their token is stored, and has not left since, has a token in the store."""
        for secret in list(self._receipts):
            if secret:
                self._model.kept[secret] = True
                self._model.touched[secret] = None
        self._receipts.clear()
        self._model.check()

    def _without_state(self, person: Person) -> Callable[[], None]:
        def attack() -> None:
            code = self._tokens.issue_code(person.username, CALLBACK)
            reply = self._stage.function("oauth", 9).get("/callback", query_string={"state": "forged", "code": code})
            if reply.status_code != 400:
                raise Violation(f"a forged state was answered {reply.status_code}")

        return attack

    # Pasting

    def _paste(self, secret: str, payload: str) -> int:
        number = self._manager.add(secret, payload)
        self._model.touched[secret] = None
        return number

    def _paste_own(self, secret: str, person: Person) -> None:
        age = timedelta(days=self._rng.choice((0, 2, 10, 30)))
        if self._stage.weather.outage:
            age = timedelta()  # or it would end before the outage does
        before = person.grant
        token = self._tokens.issue_long_lived(person.username, age=age, grant_age=timedelta())
        person.grant = person.grant if before is None else before if self._rng.random() < 0.5 else person.grant
        self._paste(secret, token + self._rng.choice(("", "\n", "\r\n")))

    def _paste_badly(self, secret: str, person: Person) -> None:
        other = self._rng.choice([one for one in self._model.accounts.values() if one is not person])
        payload = self._rng.choice(
            (
                self._foreign(other),
                self._tokens.issue_short_lived(person.username),
                self._tokens.issue_short_lived(person.username),
                "not a token at all",
                '{"access_token": "THAA"}',
                "THneverissued",
            )
        )
        number = self._paste(secret, payload)
        mended_at = self._stage.clock.now() + timedelta(days=self._rng.randint(1, 10))
        self._bad_pastes.append((secret, number, mended_at))

    def _foreign(self, other: Person) -> str:
        before, token = other.grant, self._tokens.issue_long_lived(other.username)
        other.grant = before or other.grant
        return token

    def _mend_pastes(self, all_of_them: bool = False) -> None:
        """People destroy what they pasted wrongly, after a few days."""
        waiting = []
        for secret, number, mended_at in self._bad_pastes:
            if all_of_them or mended_at <= self._stage.clock.now():
                self._destroy(secret, number)
            else:
                waiting.append((secret, number, mended_at))
        self._bad_pastes = waiting

    def _destroy(self, secret: str, number: int) -> None:
        if self._manager.states(secret)[number] == "ENABLED":
            connect(self._manager.address).destroy_secret_version(
                name=f"projects/demo/secrets/{secret}/versions/{number}"
            )

    # Leaving

    def _leave(self, secret: str, person: Person, path: str) -> Callable[[], None]:
        def leave() -> None:
            self._end(secret, person, self._profiles.remove_app)
            # A second, which is what the request is dated in, passes between a token's making and its owner's leaving.
            self._stage.clock.forward(timedelta(seconds=2))
            request = self._stage.threads.signed_request(person.username)
            # Were the account unbound while a stranger has its name, the stranger would be its rightful owner.
            where = path if person.username == self._homes[person] else "/uninstall"
            self._old_requests.append((where, request, person))
            for _ in range(3):
                reply = self._stage.function("oauth", 1).post(where, data={"signed_request": request})
                if reply.status_code == 200:
                    return

        return leave

    def _end(self, secret: str, person: Person, how: Callable[[str], Any]) -> None:
        how(person.username)
        self._receipts.pop(secret, None)
        self._model.revoked(person)

    def _lose_tokens(self, person: Person) -> None:
        secret = next(secret for secret, owner in self._model.accounts.items() if owner is person)
        profiles = self._profiles
        self._end(secret, person, self._rng.choice((profiles.change_password, profiles.checkpoint, profiles.revoke)))

    def _replay(self) -> Callable[[], None]:
        path, request, person = self._rng.choice(self._old_requests)

        def replay() -> None:
            if person.username == self._homes[person]:
                self._stage.function("oauth", 1).post(path, data={"signed_request": request})

        return replay

    def _forge(self, person: Person) -> Callable[[], None]:
        def forge() -> None:
            request = self._stage.threads.signed_request(person.username)
            forged = ("A" if request[0] != "A" else "B") + request[1:]
            reply = self._stage.function("oauth", 1).post("/delete", data={"signed_request": forged})
            if reply.status_code != 400:
                raise Violation(f"a forged signed_request was answered {reply.status_code}")

        return forge

    # Names

    def _rename(self, secret: str, person: Person) -> None:
        """Take another name, or have a stranger take this one; `come_home` undoes it."""
        name = self._homes[person]
        if person.username != name or not self._manager.labels(secret).get("threads-user-id"):
            return
        if self._rng.random() < 0.5 or self._stranger.username != STRANGER:
            self._profiles.rename(name, f"{name}.new")
        else:
            self._profiles.hand_over(name, STRANGER)

    def come_home(self) -> None:
        """Everybody goes by their first name again, and destroys what they pasted wrongly."""
        if self._stranger.username != STRANGER:
            self._profiles.rename(self._stranger.username, STRANGER)
        for person, name in self._homes.items():
            if person.username != name:
                self._profiles.rename(person.username, name)
        self._mend_pastes(all_of_them=True)

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
                self._stage.alone(*(Process("sign_in"), self._sign_in(secret, person)))
            if self.told.get(secret) == "misconfigured":
                self._destroy(secret, max(self._manager.payloads(secret)))

    def strange_marks(self, secret: str) -> bool:
        """Tell whether a label or annotation that is not the keeper's has changed."""
        labels, annotations = self._manager.labels(secret), self._manager.annotations(secret)
        return not (_LABELS.items() <= labels.items() and _MARKS.items() <= annotations.items())
