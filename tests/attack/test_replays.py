"""Replays, and each signed value in the place of every other."""

from __future__ import annotations

import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from tests.attack.target import COOKIE, FORM, Target, somebody


def test_a_callback_that_is_sent_again_word_for_word_adds_nothing(target: Target) -> None:
    person = somebody()
    secret_id = target.allow(person)
    callback, cookie = target.begin(person)
    assert target.ask(callback, cookie=cookie).status == 303
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda _: target.ask(callback, cookie=cookie).status, range(8)))
    assert again == [400] * 8
    assert len(target.manager.payloads(secret_id)) == 1


def test_one_callback_sent_eight_times_at_once_is_accepted_once(target: Target) -> None:
    person = somebody()
    secret_id = target.allow(person)
    callback, cookie = target.begin(person)
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: target.ask(callback, cookie=cookie).status, range(8)))
    assert statuses == [303] + [400] * 7
    assert len(target.manager.payloads(secret_id)) == 1


def test_no_mixture_of_two_sign_ins_spends_a_code(nothing_changes: Target) -> None:
    """Code injection: the attacker has a code, but not the browser that asked for it."""
    victims, victims_cookie = nothing_changes.begin("alice")
    thiefs, thiefs_cookie = nothing_changes.begin("mallory")
    code, state = (parse_qs(urlsplit(victims).query)[name][0] for name in ("code", "state"))
    thiefs_state = parse_qs(urlsplit(thiefs).query)["state"][0]
    for query, cookie in [
        ({"code": code, "state": state}, thiefs_cookie),
        ({"code": code, "state": thiefs_state}, victims_cookie),
        ({"code": code, "state": state + "," + thiefs_state}, thiefs_cookie),
        ({"code": code, "state[]": thiefs_state}, thiefs_cookie),
        ({"code[]": code, "state": thiefs_state}, thiefs_cookie),
        ({"code": code, " state": thiefs_state}, thiefs_cookie),
        ({"Code": code, "STATE": thiefs_state}, thiefs_cookie),
    ]:
        assert nothing_changes.ask("/callback?" + urlencode(query), cookie=cookie).status == 400
    for text in (f"code={code};state={thiefs_state}", f"code={code}%26state={thiefs_state}", f"#code={code}"):
        assert nothing_changes.ask("/callback?" + quote(text, safe="=%;"), cookie=thiefs_cookie).status == 400


def test_what_is_signed_for_one_place_is_refused_in_every_other(target: Target) -> None:
    person = somebody()
    target.allow(person)
    _, cookie = target.begin(person)
    receipt = parse_qs(urlsplit(target.sign_in(person)["Location"]).query)["receipt"][0]
    asked = target.threads.signed_request(person)
    confirmed = re.findall(r'"confirmation_code": "(\w+)"', target.post("/delete", {"signed_request": asked}).body)[0]
    tickets = {"state": cookie.partition("=")[2], "receipt": receipt, "signed_request": asked, "code": confirmed}
    before = target.writes(), target.spent_codes()
    for kind, ticket in tickets.items():
        shown = quote(ticket)
        if kind != "state":
            reply = target.ask(
                f"/callback?code=c&state={shown}",
                cookie=f"{COOKIE}{hashlib.sha256(ticket.encode()).hexdigest()[:12]}={ticket}",
            )
            assert reply.status == 400, kind
        if kind != "receipt":
            assert target.ask(f"/signed-in?receipt={shown}").status == 400, kind
        if kind != "code":
            assert target.ask(f"/deletion?code={shown}").status == 400, kind
        if kind != "signed_request":
            for path in ("/uninstall", "/delete"):
                assert target.post(path, {"signed_request": ticket}).status == 400, kind
    assert (target.writes(), target.spent_codes()) == before


def test_the_same_removal_sent_again_touches_nothing_that_came_after(target: Target) -> None:
    person, other = somebody(), somebody()
    secret_id, others = target.allow(person), target.allow(other)
    assert (target.sign_in(person).status, target.sign_in(other).status) == (303, 303)
    asked = target.threads.signed_request(person, issued_at=int(time.time()) + 1)
    assert target.post("/delete", {"signed_request": asked}).status == 200
    assert set(target.manager.states(secret_id).values()) == {"DESTROYED"}
    time.sleep(1.2)
    assert target.sign_in(person).status == 303
    for path in ("/delete", "/uninstall") * 3:
        assert target.post(path, {"signed_request": asked}).status == 200
    assert list(target.manager.states(secret_id).values()) == ["DESTROYED", "ENABLED"]
    assert target.manager.labels(secret_id)["threads-user-id"]
    assert list(target.manager.states(others).values()) == ["ENABLED"]


@pytest.mark.parametrize("path", ["/uninstall", "/delete"])
def test_a_signed_request_is_accepted_in_its_form_field_only(nothing_changes: Target, path: str) -> None:
    asked = nothing_changes.threads.signed_request("alice")
    form, multipart = urlencode({"signed_request": asked}), {"Content-Type": "multipart/form-data; boundary=x"}
    part = f'--x\r\nContent-Disposition: form-data; name="signed_request"; filename="f"\r\n\r\n{asked}\r\n--x--\r\n'
    attempts: list[tuple[str, Any, dict[str, str]]] = [
        (f"{path}?{form}", "", FORM),
        (f"{path}?{form}", None, {}),
        (path, f'{{"signed_request": "{asked}"}}', {"Content-Type": "application/json"}),
        (path, form, {"Content-Type": "text/plain"}),
        (path, form, {}),
        (path, form + "&" + form, FORM),
        (path, "signed_request=&" + form, FORM),
        (path, form.replace("=", "[]=", 1), FORM),
        (path, form.replace("=", "%00=", 1), FORM),
        (path, form.upper(), FORM),
        (path, part, multipart),
        (path, part[:-9], multipart),
        (path, form, {"Content-Type": "multipart/form-data; boundary=\xff"}),
        (path, form, {"Content-Type": "multipart/form-data"}),
        (path, "", {"Cookie": form, "signed_request": asked}),
    ]
    for target, body, headers in attempts:
        reply = nothing_changes.ask(target, "POST", body, **headers)
        assert reply.status == 400, (target, headers)
    assert nothing_changes.ask(f"{path}?{form}").status == 405


def test_one_persons_removal_never_names_another(target: Target) -> None:
    """The signature of one person's request is combined with the payload of another's, and the other way round."""
    one, other = somebody(), somebody()
    secret_ids = [target.allow(one), target.allow(other)]
    assert (target.sign_in(one).status, target.sign_in(other).status) == (303, 303)
    mine, theirs = (target.threads.signed_request(person).split(".") for person in (one, other))
    for forged in (
        f"{mine[0]}.{theirs[1]}",
        f"{mine[0]}.{theirs[1]}.{mine[1]}",
        f"{mine[0]}.{mine[1]}.{theirs[1]}",
        f"{mine[0]},{theirs[0]}.{theirs[1]}",
        f".{theirs[1]}",
        f"{mine[0]}.{mine[1]}{theirs[1]}",
        f"{mine[0]}.{mine[1]}=={theirs[1]}",
    ):
        for path in ("/uninstall", "/delete"):
            assert target.post(path, {"signed_request": forged}).status == 400
    assert [target.manager.states(secret_id) for secret_id in secret_ids] == [{1: "ENABLED"}] * 2
