"""Threads Token Keeper: the two entry points, their routes and status codes, and where the parts meet.

`oauth` is public, because Meta sends a browser to it. `refresh` is private: only Cloud Scheduler's service account may
call it. What they do is in `token_keeper/`; what is heavy is loaded there by the request that needs it.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import functions_framework
from flask import Request, Response

from token_keeper import log, sign_in, web
from token_keeper.clients import Clients
from token_keeper.deadline import within
from token_keeper.errors import (
    AccountNotAllowed,
    KeeperError,
    NotByAPerson,
    PassingError,
    ThreadsUnavailable,
    UnknownCode,
)
from token_keeper.outcomes import verdict
from token_keeper.settings import OAuthSettings, RefreshSettings
from token_keeper.signing import DeletionState

if TYPE_CHECKING:
    from datetime import datetime

    from token_keeper.removal import Removal
    from token_keeper.report import Result
    from token_keeper.store import TokenStore


class OAuth:
    """The public function: signs people in, and lets them out."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.limits, self.now = clients, clients.limits, clients.clock.now
        self._forms = web.FormReader(clients.limits)
        self._finished: tuple[str, ...] = ()  # hashes of the states that came back last

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        base = ""
        try:
            settings = OAuthSettings.from_environ(os.environ)
            log.join_request(settings.project, request.headers.get("X-Cloud-Trace-Context"))
            base = settings.public_url
            # PUBLIC_URL may have a path, which some fronts remove from a request and some do not.
            path = request.path.removeprefix(urlsplit(base).path)
            return web.dispatch(request, path, self.routes(settings), _not_found(base), _not_allowed(base))
        except KeeperError as error:
            log.request_refused(error)
            return _refusal(request, error, base)

    def routes(self, settings: OAuthSettings) -> web.Routes:
        """Return the handlers; beside them, the status codes. Anything else is 404, or 405 with Allow."""
        start, signed_in = partial(self.start, settings), partial(self.signed_in, settings)
        deletion = partial(self.deletion, settings)
        uninstall, delete = {"POST": partial(self.uninstall, settings)}, {"POST": partial(self.delete, settings)}
        return {
            "/": {"GET": start, "HEAD": start},  # 200
            "/login": {"GET": partial(self.login, settings)},  # 302, 503
            # No HEAD: it would spend the code.
            "/callback": {"GET": partial(self.callback, settings)},  # 303, 400, 403, 500, 502, 503
            "/signed-in": {"GET": signed_in, "HEAD": signed_in},  # 200, 400
            # Meta's dashboard may add a slash to these two addresses, and nobody would hear of a 404.
            "/uninstall": uninstall,  # 200, 400, 413, 503
            "/uninstall/": uninstall,
            "/delete": delete,  # 200, 400, 413, 503
            "/delete/": delete,
            "/deletion": {"GET": deletion, "HEAD": deletion},  # 200, 400
        }

    def start(self, settings: OAuthSettings, request: Request) -> Response:
        return web.page(request, 200, "start.html", base=settings.public_url)

    def login(self, settings: OAuthSettings, request: Request) -> Response:
        _check_person(request)
        host, language = request.headers.get("Host", ""), web.chosen_language(request)
        state = sign_in.make_state(settings, self.now(), host, language)
        response = web.redirect(302, sign_in.authorization_url(settings, state))
        web.StateCookies(request, settings.on_loopback).add(response, state)
        return response

    def callback(self, settings: OAuthSettings, request: Request) -> Response:
        """Check the state before anything else: only a callback whose state is right may end its sign-in."""
        _check_person(request)
        cookies, now = web.StateCookies(request, settings.on_loopback), self.now()
        state = sign_in.without_fragment(request.args.get("state", ""))
        wrong = self._wrong_state(settings, request, state, cookies.value(state), now)
        error = sign_in.declined(request.args) or wrong
        response = _failed_sign_in(request, error, settings) if error else self._finish_sign_in(settings, request)
        if not wrong:
            web.in_language(response, sign_in.language_of(settings, state, now))
            cookies.remove(response, state)
            self._finished = (*self._finished[-999:], sign_in.short_hash(state))
        return response

    def _wrong_state(
        self, settings: OAuthSettings, request: Request, state: str, cookie: str, now: datetime
    ) -> KeeperError | None:
        try:
            web.parameter(request, "state")
            host = request.headers.get("Host", "")
            sign_in.check_state(settings, state, cookie, now, host, self._finished)
        except KeeperError as error:
            return error
        return None

    def _finish_sign_in(self, settings: OAuthSettings, request: Request) -> Response:
        try:
            code = sign_in.check_code(web.parameter(request, "code"))
            return within(self.limits.callback, partial(self._signed_in, settings, code))
        except TimeoutError:
            return _failed_sign_in(request, ThreadsUnavailable("Threads or Secret Manager took too long."), settings)
        except KeeperError as error:
            return _failed_sign_in(request, error, settings)

    def _signed_in(self, settings: OAuthSettings, code: str) -> Response:
        ends = self.clients.clock.monotonic() + self.limits.callback
        threads = self.clients.threads(settings.api_url).until(ends)
        self.clients.connect_store_meanwhile(settings.project, settings.emulator)
        receipt = sign_in.sign_in(
            settings, threads, partial(self._store, settings, ends), code, self.now, self.clients.meanwhile
        )
        log.signed_in(receipt.username, receipt.version_name, receipt.days_left(self.now()))
        return web.redirect(303, f"{settings.public_url}/signed-in?receipt={receipt.sign(settings, self.now())}")

    def signed_in(self, settings: OAuthSettings, request: Request) -> Response:
        receipt = sign_in.Receipt.read(settings, web.parameter(request, "receipt"), self.now())
        old = receipt.is_old(self.now())
        values = {"base": settings.public_url, "receipt": receipt, "old": old, "now": self.now()}
        return web.page(request, 200, "signed_in.html", **values)

    def uninstall(self, settings: OAuthSettings, request: Request) -> Response:
        if self._remove(settings, request, "uninstalled", identity=False) is None:
            return _not_removed()
        return web.json_reply(200, {})

    def delete(self, settings: OAuthSettings, request: Request) -> Response:
        from token_keeper import removal

        removals = self._remove(settings, request, "data_deleted", identity=True)
        if removals is None:
            return _not_removed()
        code = removal.deletion_state(removals, self.now()).sign(settings.app_secret)
        return web.json_reply(200, {"url": f"{settings.public_url}/deletion?code={code}", "confirmation_code": code})

    def _remove(self, settings: OAuthSettings, request: Request, event: str, *, identity: bool) -> list[Removal] | None:
        """Return what was removed, or None if something is still there, so that Meta asks again."""
        from token_keeper import removal, signed_request

        self._forms.read(request)
        asked = signed_request.verify(settings.app_secret, web.parameter(request, "signed_request"))
        ends = self.clients.clock.monotonic() + self.limits.callback
        try:
            removals = removal.remove(self._store(settings, ends), asked, identity=identity)
        except KeeperError as error:
            log.removal_failed(event, error)
            return None
        for done in removals:
            log.removed(event, done.username, done.destroyed_on, kept=done.kept)
        if not removals:
            log.removal_unmatched(event)
        return removals

    def deletion(self, settings: OAuthSettings, request: Request) -> Response:
        code = web.parameter(request, "code")
        found = DeletionState.read(settings.app_secret, code).as_of(self.now())
        return web.page(request, 200, "deletion.html", found=found, state=found.state.name.lower(), code=code)

    def _store(self, settings: OAuthSettings, ends: float) -> TokenStore:
        patience = self.limits.sign_in_patience
        return self.clients.store(settings.project, settings.emulator).until(ends, patience, patience)


class Refresh:
    """The private function: refreshes every account's token."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.limits, self.now = clients, clients.limits, clients.clock.now
        self._last: set[str] = set()  # the secrets that the last run could not store a token in

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        return web.dispatch(request, request.path, self.routes(), _nothing_here, web.not_allowed)

    def routes(self) -> web.Routes:
        """Return the handlers; beside them, the status codes. Anything else is 404, or 405 with Allow."""
        # 200: all is well, or it is a page; 503: call again later; 500: a person must act.
        return {"/": {"GET": self.look, "HEAD": self.look, "POST": self.renew}}

    def renew(self, request: Request) -> Response:
        """Refresh every account's token."""
        from token_keeper import report
        from token_keeper.refreshing import refresh_all

        try:
            settings = self._settings(request)
            results = refresh_all(settings, self.clients, self._last)
        except KeeperError as error:
            return web.json_reply(*_failed_run(error))
        body = report.body(results)
        log.run_completed(body["outcomes"])
        return web.json_reply(report.status(results), body)

    def look(self, request: Request) -> Response:
        """Report on every account without changing anything."""
        from token_keeper import report, status_page
        from token_keeper.refreshing import look_at_all

        results: list[Result] = []
        sign_in_url = None
        try:
            settings = self._settings(request)
            sign_in_url = settings.sign_in_url
            results = look_at_all(settings, self.clients)
            status, body = report.status(results), report.body(results)
        except KeeperError as error:
            status, body = _failed_run(error)
        if not web.prefers_html(request):
            return web.json_reply(status, body)
        view = status_page.view(results, self.now(), sign_in_url, request.args.get("page", ""))
        return web.page(request, 200, "status.html", error=body.get("error"), **view)

    @staticmethod
    def _settings(request: Request) -> RefreshSettings:
        settings = RefreshSettings.from_environ(os.environ)
        log.join_request(settings.project, request.headers.get("X-Cloud-Trace-Context"))
        return settings


_OAUTH, _REFRESH = OAuth(Clients()), Refresh(Clients())


@functions_framework.http
def oauth(request: Request) -> Response:
    """Sign people in, and let them out: `OAuth.routes` lists what it answers."""
    return _OAUTH(request)


@functions_framework.http
def refresh(request: Request) -> Response:
    """Refresh every account's token: `Refresh.routes` lists what it answers."""
    return _REFRESH(request)


web.take_over({"oauth": _OAUTH, "refresh": _REFRESH})


# Replies that several handlers give


def _not_found(base: str) -> web.Handler:
    values = {"base": base, "title": "There is nothing here", "message": "", "advice": "", "retry": False}
    return lambda request: web.page(request, 404, "error.html", **values)


def _not_allowed(base: str) -> web.Handler:
    """Return a handler that tells a browser in words what an address is for, and everybody else in JSON."""
    values = {
        "base": base,
        "title": "This address is not for browsers",
        "message": "Threads itself calls it when somebody removes the app, or asks for their data to be deleted.",
    }

    def reply(request: Request) -> Response:
        if not web.prefers_html(request):
            return web.not_allowed(request)
        return web.page(request, 405, "error.html", advice="", retry=False, **values)

    return reply


def _nothing_here(request: Request) -> Response:
    return web.json_reply(404, {"error": "There is nothing here."})


def _check_person(request: Request) -> None:
    """Raise NotByAPerson for a request that a browser makes ahead of the person: it would spend a sign-in."""
    if web.is_made_ahead(request):
        raise NotByAPerson("Your browser asked for this page before you did.")


def _failed_sign_in(request: Request, error: KeeperError, settings: OAuthSettings) -> Response:
    log.sign_in_failed(error)
    return _refusal(request, error, settings.public_url)


def _refusal(request: Request, error: KeeperError, base: str) -> Response:
    """Return the reply to an error. `str(error)` may be shown to anybody."""
    row = verdict(error)
    if request.method == "POST":
        return web.json_reply(row.status, {"error": str(error)})
    retry = row.status != 500 and not isinstance(error, UnknownCode)
    values = {"base": base, "title": row.title, "message": str(error), "advice": row.visitor, "retry": retry}
    who = None if isinstance(error, AccountNotAllowed) else error.username  # whose message names them
    return web.page(request, row.status, "error.html", who=who, **values)


def _not_removed() -> Response:
    return web.json_reply(503, {"error": "Not everything could be destroyed. Send this again."})


def _failed_run(error: KeeperError) -> tuple[int, dict[str, Any]]:
    log.run_failed(error)
    status = 503 if isinstance(error, PassingError) else 500
    return status, {"accounts": [], "outcomes": {}, "error": str(error)}
