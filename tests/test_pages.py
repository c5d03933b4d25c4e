"""Every reply of both functions: its headers, its markup, and that nothing in it is anybody else's."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.support.app import APP_SECRET, PUBLIC_URL
from tests.support.sign_in import sign_in
from token_keeper.settings import OAuthSettings, Secret
from token_keeper.sign_in import Receipt

VOID = {"meta", "br", "link", "hr", "img", "input"}
MARKUP = "<script>alert(1)</script>'\"&amp;"
TEN_MEGABYTES = b"signed_request=" + b"A" * 10_000_000


class Outline(HTMLParser):
    """Reads a page strictly: every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.problems == []
    assert parser.open == []
    return parser


@pytest.fixture
def replies(
    oauth: FlaskClient, refresh: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> dict[str, TestResponse]:
    """One reply of every kind that the two functions give."""
    html = {"Accept": "text/html"}
    found: dict[str, TestResponse] = {
        "start": oauth.get("/"),
        "login": oauth.get("/login", base_url=PUBLIC_URL),
        "status, nobody signed in": refresh.get("/", headers=html),
        "callback": sign_in(oauth, threads),
    }
    found["receipt"] = oauth.get(found["callback"].headers["Location"])
    found["receipt, scope missing"] = oauth.get(
        sign_in(oauth, threads, "bob", scopes=["threads_basic"]).headers["Location"]
    )
    found |= {
        "403": sign_in(oauth, threads, "mallory"),
        "400": oauth.get("/callback", base_url=PUBLIC_URL),
        "404": oauth.get("/nothing"),
        "405": oauth.post("/login"),
        "bad receipt": oauth.get("/signed-in?receipt=x"),
        "bad deletion code": oauth.get("/deletion?code=x"),
        "bad uninstall": oauth.post("/uninstall"),
        "head": oauth.head("/"),
        "options": oauth.options("/"),
        "413": oauth.post("/uninstall", data=TEN_MEGABYTES, content_type="application/x-www-form-urlencoded"),
        "status": refresh.get("/", headers=html),
        "status, JSON": refresh.get("/"),
        "run": refresh.post("/"),
        "refresh 404": refresh.get("/nothing"),
        "refresh 405": refresh.delete("/"),
    }
    clock.forward(timedelta(days=70))
    found["status, expired"] = refresh.get("/", headers=html)
    threads.control.fail("exchange_code", "bad_secret")
    found["500"] = sign_in(oauth, threads)
    threads.control.fail("exchange_code", "html")
    found["502"] = sign_in(oauth, threads)
    threads.control.fail("exchange_code", "throttled")
    found["503"] = sign_in(oauth, threads)
    found["uninstall"] = oauth.post("/uninstall", data={"signed_request": threads.signed_request("alice")})
    found["delete"] = oauth.post("/delete", data={"signed_request": threads.signed_request("alice")})
    assert found["delete"].json is not None
    found["deletion"] = oauth.get(found["delete"].json["url"])
    unknown = oauth.post("/delete", data={"signed_request": threads.signed_request("mallory")})
    assert unknown.json is not None
    found["deletion, unknown"] = oauth.get(unknown.json["url"])
    manager.deny(["ListSecrets"])
    found["status, failed"] = refresh.get("/", headers=html)
    found["run, failed"] = refresh.post("/")
    manager.deny([])
    return found


def test_every_reply_has_the_headers_that_keep_it_from_leaking(replies: dict[str, TestResponse]) -> None:
    for name, reply in replies.items():
        headers = reply.headers
        assert headers["Cache-Control"] == "no-store", name
        assert headers["Referrer-Policy"] == "no-referrer", name
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert headers["X-Frame-Options"] == "DENY", name
        policy = dict(one.split(" ", 1) for one in headers["Content-Security-Policy"].split("; "))
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy.pop("style-src")), name
        assert policy == dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"), name
        assert "Access-Control-Allow-Origin" not in headers, name
        assert "ETag" not in headers, name
        assert len(headers.getlist("Content-Type")) == 1, name


def test_every_reply_has_the_status_that_it_is_named_by(replies: dict[str, TestResponse]) -> None:
    for name, reply in replies.items():
        if digits := re.search(r"\d{3}", name):
            assert reply.status_code == int(digits[0]), name
    for name in ("start", "receipt", "status", "uninstall", "delete", "deletion", "deletion, unknown", "head", "run"):
        assert replies[name].status_code == 200, name
    for name in ("status, expired", "status, failed"):  # a page was asked for, and it is there
        assert replies[name].status_code == 200, name


def test_every_page_is_valid_and_loads_nothing(replies: dict[str, TestResponse]) -> None:
    pages = {name: reply for name, reply in replies.items() if reply.mimetype == "text/html" and reply.text}
    assert len(pages) >= 17
    for name, reply in pages.items():
        page = outline(reply.text)
        assert reply.text.startswith("<!doctype html>\n"), name
        tags = [tag for tag, _ in page.seen]
        for tag in ("html", "head", "title", "body", "main", "h1", "style"):
            assert tags.count(tag) == 1, (name, tag)
        assert not {"script", "img", "link", "iframe", "form", "base", "object", "svg"} & set(tags), name
        for tag, attributes in page.seen:
            assert not {key for key in attributes if key.startswith("on") or key in ("src", "style")}, (name, tag)
            if "href" in attributes:
                assert str(attributes["href"]).startswith(f"{PUBLIC_URL}/"), name
        assert "url(" not in reply.text, name
        assert "@import" not in reply.text, name
        assert "None" not in re.sub(r"<style>.*?</style>", "", reply.text, flags=re.DOTALL), name


def test_the_style_is_the_one_that_the_policy_allows(replies: dict[str, TestResponse]) -> None:
    page = replies["start"]
    style = page.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["Content-Security-Policy"]


def test_the_start_page_has_a_button_three_urls_and_help_for_every_error(replies: dict[str, TestResponse]) -> None:
    text = replies["start"].text
    assert '<a class="button" href="https://keeper.example/login">Sign in with Threads</a>' in text
    for name in ("callback", "uninstall", "delete"):
        assert f"<code>https://keeper.example/{name}</code>" in text
    for code in ("1349245", "1349168", "1349187", "1349026", "4476002", "1"):
        assert f"<code>{code}</code>" in text


def test_a_404_is_a_page_and_a_405_names_the_methods(oauth: FlaskClient, refresh: FlaskClient) -> None:
    for path in ("/nothing", "/callback/", "/login/x", "/static/x", "/signed_in", "/%00", "/..%2f", "/é"):
        assert oauth.get(path).status_code == 404, path
    allowed = {
        "/": "GET, HEAD",
        "/login": "GET",
        "/callback": "GET",
        "/signed-in": "GET, HEAD",
        "/uninstall": "POST",
        "/delete": "POST",
        "/deletion": "GET, HEAD",
    }
    for path, methods in allowed.items():
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            reply = oauth.open(path, method=method)
            if method in methods.split(", "):
                assert reply.status_code != 405, (path, method)
            else:
                assert reply.status_code == 405, (path, method)
                assert reply.headers["Allow"] == methods
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        reply = refresh.open("/", method=method)
        assert reply.status_code == 405
        assert reply.headers["Allow"] == "GET, HEAD, POST"
    for path in ("/nothing", "/login", "/callback"):
        assert refresh.post(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/uninstall"), ("POST", "/delete"), ("POST", "/"), ("GET", "/"), ("PUT", "/nothing")]
)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_ten_megabytes_are_refused_in_good_order(oauth: FlaskClient, method: str, path: str, kind: str) -> None:
    reply = oauth.open(path, method=method, data=TEN_MEGABYTES, content_type=kind)
    assert 200 <= reply.status_code < 500
    assert reply.headers["Cache-Control"] == "no-store"
    if path in ("/uninstall", "/delete") and kind != "text/plain":
        assert reply.status_code == 413
        assert reply.json is not None


def test_what_is_echoed_is_escaped(oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for query in (
        {"error": MARKUP, "error_description": MARKUP},
        {"error_message": MARKUP},
        {"code": MARKUP, "state": MARKUP},
        {MARKUP: MARKUP},
    ):
        page = oauth.get("/callback", query_string=query, base_url=PUBLIC_URL)
        assert page.status_code == 400
        assert "alert(1)" not in page.text
    for path in (f"/{MARKUP}", f"/signed-in?receipt={MARKUP}", f"/deletion?code={MARKUP}"):
        assert "alert(1)" not in oauth.get(path).text


def test_markup_in_a_receipt_is_escaped(oauth: FlaskClient, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = "2027-01-01T00:00:00+00:00"
    receipt = Receipt(MARKUP, MARKUP, moment, moment, None, [MARKUP], False)
    text = receipt.sign(_settings(), clock.now())
    page = oauth.get(f"/signed-in?receipt={text}")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert page.text.count("&lt;script&gt;alert(1)&lt;/script&gt;&#39;&#34;&amp;amp;") == 4
    outline(page.text)


def _settings() -> OAuthSettings:
    return OAuthSettings("demo", "1", Secret(APP_SECRET), PUBLIC_URL, (), "", "", None)


def test_markup_in_the_public_url_is_escaped(oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", 'https://keeper.example/"><script>alert(1)</script>')
    page = oauth.get("/")
    assert "<script" not in page.text
    outline(page.text)


def test_the_status_page_shows_what_a_hand_has_written_as_text(refresh: FlaskClient, manager: SecretManager) -> None:
    manager.create("Not-A_Username", labels={"managed-by": "threads-token-keeper"})
    page = refresh.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert refresh.get("/").status_code == 500
    outline(page.text)
    assert "misconfigured" in page.text


def test_a_receipt_that_is_reloaded_on_another_day_says_that_the_sign_in_succeeded_then(
    oauth: FlaskClient, threads: LocalThreads, clock: Clock
) -> None:
    location, then = sign_in(oauth, threads).headers["Location"], clock.now()
    clock.forward(timedelta(hours=23))
    assert "succeeded on" not in oauth.get(location).text
    for days in (1, 400):
        clock.forward(timedelta(days=days))
        page = oauth.get(location)
        assert page.status_code == 200
        assert f"succeeded on {then:%Y-%m-%d %H:%M} UTC" in page.text
        assert "did not work" not in page.text
    assert oauth.get(f"{location}&{location.partition('?')[2]}").status_code == 400
