"""Exchanged names, and spellings that resemble another name."""

from __future__ import annotations

from tests.attack.target import Target, somebody


def test_two_people_who_exchange_their_names_keep_their_own_accounts(target: Target) -> None:
    one, other = somebody(), somebody()
    secret_ids = [target.allow(one), target.allow(other)]
    assert (target.sign_in(one).status, target.sign_in(other).status) == (303, 303)
    labels = [target.manager.labels(secret_id) for secret_id in secret_ids]
    local = target.threads
    for name, to in ((one, "meanwhile"), (other, one), ("meanwhile", other)):
        local.people.rename(name, to)
    assert [target.sign_in(person).status for person in (one, other)] == [303, 303]
    assert [target.manager.labels(secret_id) for secret_id in secret_ids] == labels
    for secret_id, person in zip(secret_ids, (other, one), strict=True):  # by their new names
        tokens = target.manager.payloads(secret_id).values()
        assert [local.tokens.owner(token.decode()) for token in tokens] == [person] * 2


def test_a_person_who_takes_a_free_name_opens_no_account(target: Target) -> None:
    person, stranger = somebody(), somebody()
    secret_id = target.allow(person)
    target.threads.people.add(stranger)
    assert target.sign_in(person).status == 303
    target.threads.people.rename(person, somebody())
    target.threads.people.rename(stranger, person)
    before = target.writes()
    assert target.sign_in(person).status == 403
    assert target.writes() == before
    assert len(target.manager.payloads(secret_id)) == 1


def test_no_spelling_of_a_name_reaches_the_secret_of_another(target: Target) -> None:
    """Case folding turns the Kelvin sign and the long s into `k` and `s`. `-` and `.` are equal in a secret's name."""
    target.allow("kelvin.s")
    before = target.writes()
    names = ["kelvin-s", "\u212aelvin.s", "kelvin.\u017f", "kelvin..s", "kelvin.s.", "kelvin.s\u200d", "kelvin%2Es"]
    names += ["kelvin\u2024s", "kelvin\uff0es", "kelvin.s/versions/1", "kelvin.s\x00", "kelvin.s?x", "kelvin.s "]
    person = "mallory"
    try:
        for name in names:
            target.threads.people.rename(person, name)
            person = name
            assert target.sign_in(name).status == 403, name
    finally:
        target.threads.people.rename(person, "mallory")
    assert target.writes() == before
