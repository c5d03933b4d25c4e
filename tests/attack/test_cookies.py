"""CSRF and login CSRF, with cookies that a neighbouring host may set."""

from __future__ import annotations

from tests.attack.target import COOKIE, Target, somebody


def look_alikes(cookie: str) -> list[str]:
    """Return cookies that a browser may send, whose names only resemble one with the `__Host-` prefix."""
    own, _, value = cookie.partition("=")
    spaces = ["\u2000", "\u00a0", "\u3000", "\u0085", "\x0b", "\x0c", "\x1f", "\u200b", "\ufeff"]
    names = [
        own.removeprefix("__Host-"),
        own.lower(),
        own.upper(),
        own.replace("__Host-", "__Secure-"),
        f'"{own}"',
        "$Version=1; $" + own,
        own + "[]",
        own[:-1],
        COOKIE,
        COOKIE.removesuffix("-"),
        own.replace("-", "%2D"),
        "=" + own,
        *(space + own for space in spaces),
        *(own + space for space in spaces),
    ]
    return [f"{name}={value}" for name in names] + [f"x={cookie}", f'x="; {cookie}"'.replace(";", ",")]


def test_no_cookie_of_another_host_is_accepted_as_the_state_cookie(nothing_changes: Target) -> None:
    callback, cookie = nothing_changes.begin("mallory")
    for tossed in look_alikes(cookie):
        reply = nothing_changes.ask(callback, cookie=tossed.encode().decode("latin-1"))
        assert reply.status in (400, 431), tossed


def test_no_cookie_of_another_host_replaces_the_victims_state_cookie(nothing_changes: Target) -> None:
    callback, attackers = nothing_changes.begin("mallory")
    own = nothing_changes.ask("/login").cookie
    for tossed in look_alikes(attackers):
        for cookies in (f"{own}; {tossed}", f"{tossed}; {own}"):
            assert nothing_changes.ask(callback, cookie=cookies.encode().decode("latin-1")).status in (400, 431)


def test_a_cookie_that_is_not_text_does_not_prevent_a_sign_in(target: Target) -> None:
    """Another host of the same domain can set such a cookie, which stays in a browser for a year."""
    person = somebody()
    secret_id = target.allow(person)
    callback, cookie = target.begin(person)
    assert target.ask(callback, cookie=f"{cookie}; tossed=\xff").status == 303
    assert len(target.manager.payloads(secret_id)) == 1


def test_thousands_of_cookies_do_not_prevent_a_sign_in(target: Target) -> None:
    person = somebody()
    target.allow(person)
    callback, cookie = target.begin(person)
    many = "; ".join(f"c{n}=x" for n in range(700))
    assert target.ask(callback, cookie=f"{many}; {cookie}").status == 303
    assert target.ask("/", cookie="; ".join(f"c{n}=x" for n in range(20_000))).status in (200, 431)
