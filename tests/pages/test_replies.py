"""Every reply of both functions: its headers, its markup, and that nothing in it is anybody else's."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.pages.outline import outline
from tests.support.app import APP_SECRET, PUBLIC_URL
from tests.support.sign_in import consent, sign_in
from token_keeper.clock import rfc3339
from token_keeper.languages import LANGUAGES
from token_keeper.settings import OAuthSettings, Secret
from token_keeper.sign_in import Receipt

HTML = {"Accept": "text/html"}
MARKUP = "<script>alert(1)</script>'\"&amp;"
TEN_MEGABYTES = b"signed_request=" + b"A" * 10_000_000


@pytest.fixture
def replies(
    oauth: FlaskClient, refresh: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> dict[str, TestResponse]:
    """One reply of every kind that the two functions give."""
    found: dict[str, TestResponse] = {
        "start": oauth.get("/"),
        "login": oauth.get("/login", base_url=PUBLIC_URL),
        "status, nobody signed in": refresh.get("/", headers=HTML),
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
        "status": refresh.get("/", headers=HTML),
        "status, JSON": refresh.get("/"),
        "run": refresh.post("/"),
        "refresh 404": refresh.get("/nothing"),
        "refresh 405": refresh.delete("/"),
    }
    clock.forward(timedelta(days=70))
    found["status, expired"] = refresh.get("/", headers=HTML)
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
    found["status, failed"] = refresh.get("/", headers=HTML)
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
        assert policy.pop("img-src") == "data:", "the page's own icon, which asks nobody"
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
    for name in ("status, expired", "status, failed"):
        assert replies[name].status_code == 200, "a page was asked for, and it is there"


def test_every_page_is_valid_and_loads_nothing(replies: dict[str, TestResponse]) -> None:
    pages = {name: reply for name, reply in replies.items() if reply.mimetype == "text/html" and reply.text}
    assert len(pages) >= 17
    for name, reply in pages.items():
        page = outline(reply.text)
        assert reply.text.startswith("<!doctype html>\n"), name
        tags = [tag for tag, _ in page.seen]
        for tag in ("html", "head", "title", "body", "main", "h1", "style"):
            assert tags.count(tag) == 1, (name, tag)
        assert not {"script", "img", "iframe", "form", "base", "object", "image", "use"} & set(tags), name
        for tag, attributes in page.seen:
            assert not {key for key in attributes if key.startswith("on") or key in ("src", "style")}, (name, tag)
            if tag == "link":
                assert attributes["rel"] == "icon", name
                assert str(attributes["href"]).startswith("data:image/svg+xml,%3Csvg"), name
            elif "href" in attributes:
                assert re.match(rf"{re.escape(PUBLIC_URL)}/|\?", str(attributes["href"])), name
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
        assert f'<code class="whole">https://keeper.example/{name}</code>' in text
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
    now = rfc3339(clock.now())
    receipt = Receipt(MARKUP, MARKUP, now, now, None, [MARKUP], False)
    text = receipt.sign(_settings(), clock.now())
    page = oauth.get(f"/signed-in?receipt={text}")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert page.text.count("&lt;script&gt;alert(1)&lt;/script&gt;&#39;&#34;&amp;amp;") == 3
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
    page = refresh.get("/", headers=HTML)
    assert page.status_code == 200
    assert refresh.get("/").status_code == 500
    outline(page.text)
    assert "The operator must act" in page.text


def test_an_old_receipt_says_that_the_sign_in_succeeded_then(
    oauth: FlaskClient, threads: LocalThreads, clock: Clock
) -> None:
    location = sign_in(oauth, threads).headers["Location"]
    clock.forward(timedelta(hours=23))
    assert "You can close this page." in oauth.get(location).text
    clock.forward(timedelta(days=100))
    old = oauth.get(location)
    assert old.status_code == 200
    assert re.search(r"<strong>alice</strong> was stored in Secret Manager on <time datetime=", old.text)
    assert "in 60 days" not in old.text
    assert "close this page" not in old.text
    assert oauth.get(f"{location}&{location.partition('?')[2]}").status_code == 400


def test_only_who_can_sign_in_is_offered_to_do_so_again(
    oauth: FlaskClient, threads: LocalThreads, replies: dict[str, TestResponse]
) -> None:
    button = f'<a class="button" href="{PUBLIC_URL}/login">Sign in again</a>'
    for name in ("400", "403", "502", "503", "bad receipt"):
        assert button in replies[name].text, name
    for name in ("404", "500", "bad deletion code"):
        assert button not in replies[name].text, name
        assert f'href="{PUBLIC_URL}/"' in replies[name].text, name


def test_no_page_says_a_sentence_twice(replies: dict[str, TestResponse]) -> None:
    for name in ("400", "403", "404", "500", "502", "503", "bad receipt", "bad deletion code"):
        (main,) = re.findall(r"<main>(.*?)(?:<details|</main>)", replies[name].text, re.DOTALL)
        said = [text.strip(" .") for text in re.split(r"<[^>]+>|(?<=\.) ", main) if text.strip()]
        assert len(said) == len(set(said)), (name, said)


# Languages


def test_a_page_is_written_in_the_readers_language(oauth: FlaskClient, refresh: FlaskClient) -> None:
    japanese = {**HTML, "Accept-Language": "ja-JP,ja;q=0.9,en;q=0.8"}
    assert "Threadsでサインイン" in oauth.get("/", headers=japanese).text
    assert '<html lang="ja">' in refresh.get("/", headers=japanese).text
    assert "使用 Threads 登入" in oauth.get("/?lang=zh-TW", headers=japanese).text
    assert "Sign in with Threads" in oauth.get("/?lang=xx").text


def test_json_and_logs_stay_english(
    oauth: FlaskClient, refresh: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    japanese = {"Accept-Language": "ja"}
    refresh.post("/?lang=ja", headers=japanese)
    assert refresh.get("/?lang=ja", headers=japanese).text.isascii()
    assert oauth.get("/callback?lang=ja&state=x", headers=japanese).status_code == 400
    logged = capsys.readouterr().out
    assert '"event": "sign_in_failed"' in logged
    assert "\\u" not in logged


def test_the_links_to_other_languages_keep_the_page(oauth: FlaskClient, threads: LocalThreads) -> None:
    location = sign_in(oauth, threads).headers["Location"]
    path = "/signed-in"
    page = oauth.get(location)
    links = {str(one["hreflang"]): str(one["href"]) for tag, one in outline(page.text).seen if "hreflang" in one}
    assert set(links) == {"ja", "zh-TW"}
    other = oauth.get(path + links["zh-TW"])
    assert other.status_code == 200
    assert "權杖已保存" in other.text
    again = {str(one["hreflang"]): str(one["href"]) for tag, one in outline(other.text).seen if "hreflang" in one}
    assert set(again) == {"en", "ja"}
    assert "Token kept" in oauth.get(path + again["en"], headers={"Accept-Language": "ja"}).text


def test_a_chosen_language_lasts_from_the_start_page_to_token_kept(oauth: FlaskClient, threads: LocalThreads) -> None:
    (login,) = re.findall(r'class="button" href="https://keeper.example([^"]*)"', oauth.get("/?lang=ja").text)
    assert login == "/login?lang=ja"
    location = oauth.get(login, base_url=PUBLIC_URL).headers["Location"]
    kept = oauth.get(consent(threads, location), base_url=PUBLIC_URL)
    assert kept.headers["Location"].endswith("&lang=ja")
    assert "トークンを保存しました" in oauth.get(kept.headers["Location"], headers={"Accept-Language": "en"}).text


def test_a_failed_callback_brings_all_languages_along_and_repeats_neither_code_nor_state(oauth: FlaskClient) -> None:
    page = oauth.get("/callback?code=SENTINEL-CODE&state=SENTINEL-STATE", base_url=PUBLIC_URL)
    assert page.status_code == 400
    assert "SENTINEL" not in page.text
    assert 'hreflang="' not in page.text
    for language in ("ja", "zh-TW"):
        assert f'<details lang="{language}"><summary>' in page.text
        assert f"<h2>{LANGUAGES[language].sentences('That did not work')}</h2>" in page.text


@pytest.mark.parametrize("path", ["/uninstall", "/delete"])
def test_a_browser_that_asks_for_an_address_of_threads_gets_a_page(oauth: FlaskClient, path: str) -> None:
    page = oauth.get(path, headers=HTML)
    assert (page.status_code, page.headers["Allow"], page.mimetype) == (405, "POST", "text/html")
    outline(page.text)
    assert "Threads itself calls it" in page.text
    assert oauth.get(path).mimetype == "application/json"
