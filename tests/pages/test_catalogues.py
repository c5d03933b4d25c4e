"""Nothing is untranslated and nothing is missing: the catalogues by the sources, and the pages by their words."""

from __future__ import annotations

import ast
import gettext
import html
import io
import re

import pytest
from babel.messages import Catalog

from tests.pages import gallery
from tests.pages.catalogues import LOCALES, ROOT, compiled, kept, po, sentences_of, template_of_messages
from token_keeper import catalogue
from token_keeper.languages import LANGUAGES, Language

OTHERS = [language for language in LANGUAGES.values() if language.code != "en"]


def ids(messages: Catalog) -> set[str | tuple[str, ...]]:
    return {message.id if isinstance(message.id, str) else tuple(message.id) for message in messages if message.id}


def texts(message: object) -> list[str]:
    return [message] if isinstance(message, str) else list(message)  # type: ignore[call-overload]


def test_the_sources_have_messages_of_every_kind() -> None:
    found = ids(template_of_messages())
    assert len(found) > 200
    assert "Token kept" in found
    assert ("in %(number)s day", "in %(number)s days") in found
    assert "The token has expired." in found
    assert "{name} is not set." in found


@pytest.mark.parametrize("locale", LOCALES)
def test_a_catalogue_has_every_message_and_no_other(locale: str) -> None:
    assert ids(kept(locale)) == ids(template_of_messages()), "run `make messages`, then translate"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_message_is_translated_and_nothing_is_guessed(locale: str) -> None:
    for message in kept(locale):
        if message.id:
            assert all(texts(message.string)), message.id
            assert not message.fuzzy, message.id


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    "part", [r"%\(\w+\)s", r"\{\w+\}", r"</?\w+[^>]*>", r"`[^`]*`"], ids=["%()s", "{}", "<>", "``"]
)
def test_a_translation_keeps_each_part_that_is_no_text(locale: str, part: str) -> None:
    for message in kept(locale):
        for translation in texts(message.string) if message.id else []:
            for original in texts(message.id):
                assert sorted(re.findall(part, translation)) == sorted(re.findall(part, original)), original


@pytest.mark.parametrize("locale", LOCALES)
def test_the_compiled_catalogue_is_what_its_source_says(locale: str) -> None:
    on_disk = gettext.GNUTranslations(io.BytesIO(po(locale).with_suffix(".mo").read_bytes()))
    fresh = gettext.GNUTranslations(io.BytesIO(compiled(kept(locale))))
    assert without_header(on_disk) == without_header(fresh), "run `make messages`"


@pytest.mark.parametrize("locale", LOCALES)
def test_our_reader_finds_what_the_standard_librarys_finds(locale: str) -> None:
    theirs = gettext.GNUTranslations(io.BytesIO(po(locale).with_suffix(".mo").read_bytes()))
    ours = catalogue.messages(locale.replace("_", "-"))
    assert "" not in ours, "the header is no message"
    for message in kept(locale):
        if message.id and isinstance(message.id, str):
            assert ours[message.id] == theirs.gettext(message.id)
        elif message.id:
            assert ours["\0".join(message.id)] == theirs.ngettext(*message.id, 7)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_plural_forms_are_those_of_the_language(locale: str) -> None:
    assert kept(locale).num_plurals == 1, "Japanese and Chinese have one form, and the code relies on it"


def without_header(translations: gettext.GNUTranslations) -> dict[object, str]:
    return {key: text for key, text in translations._catalog.items() if key}  # type: ignore[attr-defined]


# Sentences of the code


def filled(sentence: str) -> str:
    """Return a sentence as the code would finish it."""
    values = {"codes": "HTTP 400, code 190", "reason": ": it expired", "number": "7", "grant": "2026-12-05T14:33:00Z"}
    return re.sub(r"\{(\w+)\}", lambda place: values.get(place[1], "X"), sentence)


SENTENCES = sorted({one for path in (ROOT / "token_keeper").glob("*.py") for one in sentences_of(path)})


@pytest.mark.parametrize("language", OTHERS, ids=lambda language: language.code)
def test_every_finished_sentence_is_found_again(language: Language) -> None:
    assert len(SENTENCES) > 80
    for sentence in SENTENCES:
        translation = language.sentences(filled(sentence))
        assert translation != filled(sentence), sentence
        assert "{" not in translation, sentence


@pytest.mark.parametrize("language", OTHERS, ids=lambda language: language.code)
def test_two_sentences_and_a_sentence_in_a_sentence_are_found_too(language: Language) -> None:
    first = "Threads no longer accepts this token (HTTP 400, code 190, subcode 463: it expired)."
    second = "Have the account's owner sign in again at https://keeper.example/login."
    both = language.sentences(f"{first} {second}")
    assert both == language.sentences(first) + language.sentences(second)
    assert "HTTP 400, code 190, subcode 463" in both
    assert "https://keeper.example/login" in both
    assert not re.search(r"it expired|Threads no longer|Have the| at ", both)
    inner = language.sentences("Secret Manager is not available right now (UNAVAILABLE).")
    assert inner in language.sentences(
        "Version 7 is stored but could not be proven yet: Secret Manager is not available right now (UNAVAILABLE)."
    )


def test_a_time_in_a_sentence_is_written_as_the_language_writes_it() -> None:
    ended = "The permission grant ended on 2027-02-19T03:16:00Z; calls fail although the token lives."
    assert "19\xa0February\xa02027, 03:16\xa0UTC" in LANGUAGES["en"].sentences(ended)
    assert "2027年2月19日 03:16\xa0UTC" in LANGUAGES["ja"].sentences(ended)


@pytest.mark.parametrize("language", list(LANGUAGES.values()), ids=lambda language: language.code)
def test_what_no_catalogue_has_stays_as_it_is(language: Language) -> None:
    assert language.sentences("") == ""
    assert language.sentences("A hand wrote this. And {this}.") == "A hand wrote this. And {this}."


# Pages


def words_of(page: str) -> str:
    """Return a page's text without what no language changes: code, addresses, quotes of Threads' own, names."""
    page = re.sub(r"<(style|code|title|svg|q|nav|header)\b.*?</\1>", " ", page, flags=re.DOTALL)
    page = re.sub(r"<details lang.*?</details>", " ", page, flags=re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    return re.sub(r"https?://\S+|Threads|Secret Manager|Meta|UTC|HTTP [\w, ]+|[a-z]+(_[a-z]+)+", " ", text)


@pytest.mark.parametrize("language", OTHERS, ids=lambda language: language.code)
def test_no_page_has_english_left(language: Language) -> None:
    for name, page in gallery.every_page(language):
        assert not re.search(r"[A-Za-z']{2,} [a-z']{2,} [a-z']{2,}", words_of(page)), name
        assert f'<html lang="{language.code}">' in page


def test_the_search_for_english_finds_it() -> None:
    english = dict(gallery.every_page(LANGUAGES["en"]))
    assert all(re.search(r"[A-Za-z']{2,} [a-z']{2,} [a-z']{2,}", words_of(page)) for page in english.values())


def test_no_sentence_in_the_code_escapes_the_search() -> None:
    """What an error is made with is a sentence that the catalogues know, or is made of sentences."""
    names = {node.name for node in ast.walk(tree_of("errors")) if isinstance(node, ast.ClassDef)}
    known = ids(template_of_messages())
    for path in sorted((ROOT / "token_keeper").glob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in names and call.args:
                argument = call.args[0]
                if isinstance(argument, ast.Constant):
                    for sentence in re.split(r"(?<=\.) ", argument.value):
                        assert sentence in known, f"{path.name}: {sentence}"


def tree_of(module: str) -> ast.Module:
    return ast.parse((ROOT / "token_keeper" / f"{module}.py").read_text())
