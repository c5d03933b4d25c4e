"""The HTTP edge: how requests are read and replies are made. It knows Flask, and nothing below it does."""

from __future__ import annotations

import contextvars
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import Request, Response, current_app, has_app_context
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

from token_keeper import languages, log, pages
from token_keeper.deadline import started
from token_keeper.errors import BadRequest, BodyTooLarge, Overloaded
from token_keeper.limits import Limits
from token_keeper.sign_in import COOKIE_AGE, short_hash

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGEST_BODY = 64 * 1024  # bytes; a signed_request has a few hundred

_PARAMETER_OF_PAGE = {"signed-in": "receipt", "deletion": "code", "": "page"}

Handler = Callable[[Request], Response]
Routes = Mapping[str, Mapping[str, Handler]]


class Application:
    """A function as a WSGI application: every reply has our headers, and a bug is logged without its text."""

    def __init__(self, function: Handler) -> None:
        self._function = function

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = contextvars.copy_context().run(self._answer, environ)  # a thread serves one request after another
        _leave_unread(environ)
        response.headers.update(pages.headers())
        return response(environ, start_response)

    def _answer(self, environ: WSGIEnvironment) -> Response:
        try:
            return self._function(Request(environ))
        except Exception as bug:
            log.bug(bug)
            return json_reply(500, {"error": "This is a bug; the log says where."})


def take_over(functions: Mapping[str, Handler]) -> None:
    """Answer for the app that functions-framework is making, also where the framework would answer by itself.

    Its own replies (to /robots.txt, /static/x, //x) lack our headers, and one makes a redirect from the Host header.
    """
    if has_app_context() and current_app.name in functions:
        current_app.wsgi_app = Application(functions[current_app.name])  # type: ignore[method-assign]


def dispatch(request: Request, path: str, routes: Routes, not_found: Handler, not_allowed: Handler) -> Response:
    """Return the reply of the handler that a path and a method have, 404 or 405 if there is none."""
    methods = routes.get(path or "/")
    if methods is None:
        return not_found(request)
    if request.method not in methods:
        response = not_allowed(request)
        response.headers["Allow"] = ", ".join(methods)
        return response
    return methods[request.method](request)


# Requests


class FormReader:
    """Reads the forms of requests, a few at once and each within a time: senders may be as slow as they like."""

    def __init__(self, limits: Limits) -> None:
        self._seconds, self._places = limits.body, threading.Semaphore(limits.bodies)

    def read(self, request: Request) -> None:
        """Read a request's form. Raises BadRequest if it is too large, malformed, or too slow, Overloaded if full."""
        if not self._places.acquire(blocking=False):
            raise Overloaded("Too many requests are being read.")
        request.max_content_length = LARGEST_BODY
        reading = started(lambda: request.form)
        try:
            reading.result(timeout=self._seconds)
        except RequestEntityTooLarge:
            raise BodyTooLarge("This is too large.") from None
        except ParseException:  # its chunks are malformed
            raise BadRequest("This cannot be read.") from None
        except TimeoutError:
            _leave_unread(request.environ)
            wait([reading], timeout=1)  # ends now; two must not read one connection
            raise BadRequest("This came too slowly.") from None
        finally:
            self._places.release()


def parameter(request: Request, name: str) -> str:
    """Return a parameter, or an empty string if it is absent. RFC 6749 section 3.1: it must not be there twice."""
    values = (request.form if request.method == "POST" else request.args).getlist(name)
    if len(values) > 1:
        raise BadRequest(f"The parameter {name} came twice.")
    return values[0] if values else ""


def is_made_ahead(request: Request) -> bool:
    """Return whether a browser makes this request ahead of the person, to prefetch or prerender a page."""
    purposes = [request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")]
    return any(re.search("prefetch|prerender|preview", purpose, re.IGNORECASE) for purpose in purposes)


def prefers_html(request: Request) -> bool:
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


class StateCookies:
    """The cookies that bind a `state` to this browser, one for each sign-in under way: two tabs may both finish."""

    MOST = 8  # sign-ins under way in one browser; the oldest is forgotten, so that the header does not grow

    def __init__(self, request: Request, on_loopback: bool) -> None:
        self._cookies = request.cookies
        self._prefix = "threads-state-" if on_loopback else "__Host-threads-state-"
        self._how: dict[str, Any] = {"path": "/", "secure": not on_loopback, "httponly": True, "samesite": "Lax"}

    def value(self, state: str) -> str:
        return self._cookies.get(self._prefix + short_hash(state), "")

    def add(self, response: Response, state: str) -> None:
        ours = [name for name in self._cookies if name.startswith(self._prefix)]
        for name in ours[: max(0, len(ours) - self.MOST + 1)]:
            response.delete_cookie(name, **self._how)
        age = int(COOKIE_AGE.total_seconds())
        response.set_cookie(self._prefix + short_hash(state), state, max_age=age, **self._how)

    def remove(self, response: Response, state: str) -> None:
        response.delete_cookie(self._prefix + short_hash(state), **self._how)


# Replies


def page(request: Request, status: int, template: str, **values: Any) -> Response:
    """Return a page in the language that its reader chose, or prefers. Its links to other languages keep the page."""
    chosen = chosen_language(request)
    language = languages.choose(chosen, request.headers.get("Accept-Language", ""))
    kept = {"lang": chosen} if chosen else {}
    values |= {
        "tail": f"?lang={chosen}" if chosen else "",  # of links to our other pages
        "kept": kept | (_kept(request) if status == 200 else {}),  # what was refused is not repeated
        "once": request.path.endswith("/callback"),  # its code is spent, so nobody can ask for this page again
    }
    return Response(pages.render(template, language, **values), status, mimetype="text/html")


def chosen_language(request: Request) -> str:
    """Return the language that the person chose on a page, an empty string if they chose none."""
    wanted = request.args.get("lang", "")
    return wanted if wanted in languages.LANGUAGES else ""


def in_language(response: Response, language: str) -> None:
    """Add the language that was chosen before to a redirect to a page of ours."""
    if language and response.status_code == 303:
        response.headers["Location"] += f"&lang={language}"


def _kept(request: Request) -> dict[str, str]:
    """Return what a link to the same page needs. An authorization code and a state are never among it."""
    name = _PARAMETER_OF_PAGE.get(request.path.rpartition("/")[2], "")
    value = request.args.get(name, "")
    return {name: value} if re.fullmatch(r"[\w.-]{1,2000}", value, re.ASCII) else {}


def json_reply(status: int, body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body) + "\n", status, mimetype="application/json")


def redirect(status: int, url: str) -> Response:
    return Response("", status, {"Location": url})


def not_allowed(request: Request) -> Response:
    return json_reply(405, {"error": "This address takes other methods, which Allow names."})


def _leave_unread(environ: WSGIEnvironment) -> None:
    """Close a request's body, so that nobody waits for the rest: the server would read it before the next request."""
    if connection := environ.get("gunicorn.socket"):
        has_body = environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
        if has_body:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
            environ["wsgi.input"].failed = True  # a thread of ours may still read it, so the server must not
