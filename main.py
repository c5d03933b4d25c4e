"""Threads Token Keeper: the two entry points, and nothing but their HTTP.

`oauth` is public, because Meta sends a browser to it. `refresh` is private: only Cloud Scheduler's service account may
call it. What they do is in `token_keeper/`; what is heavy to load is loaded by what needs it.
"""

from __future__ import annotations

import contextvars
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import functions_framework
from flask import Request, Response
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

from token_keeper import clock, loading, log, pages, sign_in
from token_keeper.errors import (
    AccountNotAllowed,
    AppMisconfigured,
    BadRequest,
    CodeSpent,
    KeeperError,
    LostReply,
    PassingError,
    PermanentError,
    PermissionMissing,
    SettingError,
    StoreRefused,
    ThreadsUnavailable,
    UnusableReply,
)
from token_keeper.settings import OAuthSettings, RefreshSettings
from token_keeper.signing import deletion_code, read_deletion_code

if TYPE_CHECKING:
    from token_keeper.store import TokenStore
    from token_keeper.threads import ThreadsClient

CALLBACK_SECONDS = 80  # after which a callback answers, whatever hangs; the platform's own limit is above it
LARGEST_BODY = 64 * 1024  # bytes; a signed_request has a few hundred


@functions_framework.http
def oauth(request: Request) -> Response:
    """Sign people in, and let them out.

    GET / · GET /login → 302 · GET /callback → 303, 400, 403, 500, 502, 503 · GET /signed-in · POST /uninstall ·
    POST /delete · GET /deletion; anything else 404, or 405 with Allow.
    """
    if unreadable := _read(request):
        return _finish(unreadable)
    base = ""
    try:
        settings = OAuthSettings.from_environ(os.environ)
        log.join_request(settings.project, request.headers.get("X-Cloud-Trace-Context"))
        base = settings.public_url
        return _finish(_route(request, settings))
    except KeeperError as error:
        return _finish(_refusal(request, error, base))


@functions_framework.http
def refresh(request: Request) -> Response:
    """Refresh every account's token.

    POST / → 200, 503 (call again later) or 500 (a person must act), with an outcome for each account · GET / the same
    without changing anything, as HTML where the client prefers it; anything else 404, or 405 with Allow.
    """
    if unreadable := _read(request):
        return _finish(unreadable)
    if request.path != "/":
        return _finish(_json({"error": "There is nothing here."}, 404))
    if request.method not in ("GET", "HEAD", "POST"):
        return _finish(_not_allowed("GET, HEAD, POST"))
    renewing = request.method == "POST"
    body, status = _run(request, renewing)
    if not renewing and request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return _finish(_html(status, "status.html", **{"error": None, **body}))
    return _finish(_json(body, status))


# The routes of `oauth`


def _route(request: Request, settings: OAuthSettings) -> Response:
    # PUBLIC_URL may have a path, which some fronts take off a request and some leave on.
    path = request.path.removeprefix(urlsplit(settings.public_url).path)
    methods = _ROUTES.get(path or "/")
    if methods is None:
        return _html(404, "error.html", base=settings.public_url, title="There is nothing here", message="", advice="")
    if request.method not in methods:
        return _not_allowed(", ".join(methods))
    return methods[request.method](request, settings)


def _start(request: Request, settings: OAuthSettings) -> Response:
    return _html(200, "start.html", base=settings.public_url)


def _login(request: Request, settings: OAuthSettings) -> Response:
    state = sign_in.make_state(settings, clock.now())
    response = _redirect(302, sign_in.authorization_url(settings, state))
    response.set_cookie(max_age=int(sign_in.STATE_AGE.total_seconds()), value=state, **_state_cookie(settings))
    return response


def _callback(request: Request, settings: OAuthSettings) -> Response:
    try:
        response = _within(CALLBACK_SECONDS, partial(_complete, request, settings))
    except KeeperError as error:
        response = _refusal(request, error, settings.public_url)
    response.delete_cookie(**_state_cookie(settings))
    return response


def _complete(request: Request, settings: OAuthSettings) -> Response:
    if any(name in request.args for name in ("error", "error_reason", "error_code", "error_message")):
        raise BadRequest("Threads reports that the sign-in was cancelled or refused. Nothing was stored.")
    cookie = request.cookies.get(_state_cookie(settings)["key"], "")
    sign_in.check_state(settings, _only(request, "state"), cookie, clock.now())
    if not (code := _only(request, "code")):
        raise BadRequest("Threads sent no authorization code.")
    threads = _threads(settings.api_url)
    # The Secret Manager client takes a while to load: let it, while Threads is thinking.
    threading.Thread(target=_load_store, daemon=True).start()
    receipt = sign_in.sign_in(settings, threads, partial(_oauth_store, settings), code, clock.now)
    log.write(
        "INFO",
        "signed_in",
        f"{receipt.username} signed in.",
        username=receipt.username,
        version=receipt.version,
        days_left=receipt.days_left(clock.now()),
    )
    return _redirect(303, f"{settings.public_url}/signed-in?receipt={receipt.sign(settings, clock.now())}")


def _signed_in(request: Request, settings: OAuthSettings) -> Response:
    receipt = sign_in.Receipt.read(settings, _only(request, "receipt"), clock.now())
    return _html(200, "signed_in.html", base=settings.public_url, receipt=receipt)


def _uninstall(request: Request, settings: OAuthSettings) -> Response:
    _remove(request, settings, person=False)
    return _json({}, 200)


def _delete(request: Request, settings: OAuthSettings) -> Response:
    found = _remove(request, settings, person=True)
    code = deletion_code(settings.app_secret, clock.now(), found)
    return _json({"url": f"{settings.public_url}/deletion?code={code}", "confirmation_code": code}, 200)


def _remove(request: Request, settings: OAuthSettings, *, person: bool) -> bool:
    from token_keeper import removal, signed_request

    asked = signed_request.verify(settings.app_secret, _only(request, "signed_request"))
    usernames = removal.remove(_oauth_store(settings), asked, person=person)
    event = "data_deleted" if person else "uninstalled"
    for username in usernames:
        log.write("INFO", event, f"{username}: tokens destroyed, as Threads asked.", username=username)
    if not usernames:
        message = "Threads asked to remove a person whose id no account is bound to. See whether one is theirs."
        log.write("ERROR", f"{event}_unmatched", message)
    return bool(usernames)


def _deletion(request: Request, settings: OAuthSettings) -> Response:
    completed_at, found = read_deletion_code(settings.app_secret, _only(request, "code"))
    return _html(200, "deletion.html", completed_at=completed_at, found=found)


_Handler = Callable[[Request, OAuthSettings], Response]
_ROUTES: dict[str, dict[str, _Handler]] = {
    "/": {"GET": _start, "HEAD": _start},
    "/login": {"GET": _login},
    "/callback": {"GET": _callback},  # no HEAD: it would spend the code
    "/signed-in": {"GET": _signed_in, "HEAD": _signed_in},
    "/uninstall": {"POST": _uninstall},
    "/delete": {"POST": _delete},
    "/deletion": {"GET": _deletion, "HEAD": _deletion},
}


# The work of `refresh`


def _run(request: Request, renewing: bool) -> tuple[dict[str, Any], int]:
    """Renew, or only look at, every account; give the reply's body and status."""
    from token_keeper import report, run
    from token_keeper.renewal import Renewal

    started = time.monotonic()
    try:
        settings = RefreshSettings.from_environ(os.environ)
        log.join_request(settings.project, request.headers.get("X-Cloud-Trace-Context"))
        patience = min(run.PATIENCE, settings.budget.total_seconds())
        store = _store(settings.project, settings.emulator, patience)
        with ThreadPoolExecutor(1) as pool:  # the client of Threads is loaded while the accounts are on their way
            threads = pool.submit(_threads, settings.api_url, run.WORKERS)
            accounts = list(store.accounts())
        renewal = Renewal(threads.result(), store, clock.now, settings.refresh_after)
        work, not_reached = (renewal.renew, renewal.skip) if renewing else (renewal.look, renewal.not_reached)
        results = run.run(accounts, work, not_reached, started + settings.budget.total_seconds())
    except KeeperError as error:
        passing = isinstance(error, PassingError)
        log.write("WARNING" if passing else "ERROR", "run_failed", f"The run failed as a whole: {error}")
        return {"accounts": [], "outcomes": {}, "error": str(error)}, 503 if passing else 500
    body = report.body(results)
    if renewing:
        log.write("INFO", "run_completed", f"Run completed: {body['outcomes']}", outcomes=body["outcomes"])
    return body, report.status(results)


# Clients, made by the first request that needs them: a channel that exists before a server forks can hang.


@lru_cache(maxsize=1)
def _threads(api_url: str, pool_size: int = 8) -> ThreadsClient:
    loading.load("token_keeper.threads")
    from token_keeper.threads import ThreadsClient

    return ThreadsClient(api_url, pool_size)


@lru_cache(maxsize=1)
def _store(project: str, emulator: str | None, patience: float) -> TokenStore:
    _load_store()
    from token_keeper.store import TokenStore, connect

    return TokenStore(connect(emulator), project, patience)


def _load_store() -> None:
    loading.load("token_keeper.store", on_demand=loading.seldom_used(os.environ))


if os.environ.get("FUNCTION_TARGET") == "refresh":
    _load_store()  # every run needs it, and what is loaded before the server forks is shared rather than copied


def _oauth_store(settings: OAuthSettings) -> TokenStore:
    return _store(settings.project, settings.emulator, patience=sign_in.PATIENCE)


def _within(seconds: float, work: Callable[[], Response]) -> Response:
    """Give what `work` gives, or raise ThreadsUnavailable when it takes longer than this."""
    future: Future[Response] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # handed to the request that waits for it
            future.set_exception(error)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        raise ThreadsUnavailable("Threads or Secret Manager took too long.") from None


# Requests and replies

_START_OVER = "Start over from the start page."
_OPERATOR = "The operator of this service must change something; the log says what."
_REFUSALS: tuple[tuple[type[KeeperError], int, str, str], ...] = (
    (BadRequest, 400, "That did not work", _START_OVER),
    (CodeSpent, 400, "This sign-in was used up", _START_OVER),
    (PermissionMissing, 400, "A permission is missing", "Sign in again and leave every box ticked."),
    (
        AccountNotAllowed,
        403,
        "This account is not kept here",
        "If it should be, its operator runs "
        "`./deploy.sh account NAME`. If you meant another account, sign in to that one at threads.com first.",
    ),
    (SettingError, 500, "This service is not set up", _OPERATOR),
    (
        AppMisconfigured,
        500,
        "Threads refuses this app",
        _OPERATOR + " Most often it is THREADS_APP_ID (the Threads "
        "app id, not the Meta app id), THREADS_APP_SECRET or the redirect URL in Meta's dashboard.",
    ),
    (StoreRefused, 500, "Secret Manager refuses this service", _OPERATOR + " `./deploy.sh check` finds it."),
    (LostReply, 502, "Threads did not answer", "Start over from the start page: the sign-in may have been used up."),
    (UnusableReply, 502, "Threads gave an unusable answer", _START_OVER),
    (PassingError, 503, "Try again", "Wait a minute, then start over from the start page."),
    (PermanentError, 502, "Threads refused", _START_OVER),
)


def _refusal(request: Request, error: KeeperError, base: str) -> Response:
    """Say what went wrong, in the log and to whoever asked; `str(error)` is made for both."""
    status, title, advice = next(row[1:] for row in _REFUSALS if isinstance(error, row[0]))
    event = "sign_in_failed" if request.path.endswith("/callback") else "request_refused"
    log.write("ERROR" if status == 500 else "WARNING", event, f"{title}: {error}")
    if request.method == "POST":
        return _json({"error": str(error)}, status)
    return _html(status, "error.html", base=base, title=title, message=str(error), advice=advice)


def _read(request: Request) -> Response | None:
    """Read a request's body, up to a limit; give a refusal where it is larger, or malformed."""
    request.max_content_length = LARGEST_BODY
    try:
        request.get_data(parse_form_data=True)
    except RequestEntityTooLarge:
        return _unread("This is too large.", 413)
    except ParseException:  # its chunks are malformed
        return _unread("This cannot be read.", 400)
    return None


def _unread(message: str, status: int) -> Response:
    """Refuse a request whose body is left unread: a stream, else the framework reads it to its end."""
    return Response(iter([json.dumps({"error": message}) + "\n"]), status, mimetype="application/json")


def _only(request: Request, name: str) -> str:
    """Give a parameter that must not be there twice (RFC 6749 section 3.1); empty if it is not there."""
    values = (request.form if request.method == "POST" else request.args).getlist(name)
    if len(values) > 1:
        raise BadRequest(f"The parameter {name} came twice.")
    return values[0] if values else ""


def _state_cookie(settings: OAuthSettings) -> dict[str, Any]:
    prefix = "" if settings.on_loopback else "__Host-"
    secure = not settings.on_loopback
    return {"key": f"{prefix}threads-state", "path": "/", "secure": secure, "httponly": True, "samesite": "Lax"}


def _html(status: int, template: str, **values: Any) -> Response:
    return Response(pages.render(template, **values), status, mimetype="text/html")


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body) + "\n", status, mimetype="application/json")


def _redirect(status: int, url: str) -> Response:
    return Response("", status, {"Location": url})


def _not_allowed(methods: str) -> Response:
    response = _json({"error": f"Use {methods} here."}, 405)
    response.headers["Allow"] = methods
    return response


def _finish(response: Response) -> Response:
    response.headers.update(pages.headers())
    return response
