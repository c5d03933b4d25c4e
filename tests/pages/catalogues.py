"""The catalogues in token_keeper/locale/: `make messages` updates them by the sources and compiles them.

Messages stand in the templates, in calls of `gettext` and `ngettext`, and as plain English sentences in the code: what
an error says, what the table of verdicts advises. A part of an f-string becomes a place such as `{number}`.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jinja2.ext
from babel.messages import Catalog, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent.parent
LOCALE = ROOT / "token_keeper" / "locale"
LOCALES = ("ja", "zh_TW")
PROJECT = "threads-token-keeper"
MADE = datetime(2026, 11, 26, tzinfo=UTC)  # a header needs a date; the repository knows when what was changed
UNUSED = ('"Report-Msgid-Bugs-To', '"Last-Translator', '"Language-Team', '"Generated-By')  # of a header
# What these modules write is read in the log, or holds no sentence.
WITHOUT_SENTENCES = {"log.py", "languages.py", "catalogue.py", "pages.py", "clock.py", "shown_by_threads.py"}
_ENDED = re.compile(r"(?<=\.) ")


def template_of_messages() -> Catalog:
    """Return a catalogue of all messages, untranslated."""
    catalogue = Catalog(project=PROJECT, version="", creation_date=MADE)
    for path in sorted((ROOT / "token_keeper" / "templates").glob("*.html")):
        with path.open("rb") as file:
            options = {"trimmed": "true", "trim_blocks": "true"}
            for _, _, found, _ in jinja2.ext.babel_extract(file, ("_", "gettext", "ngettext"), (), options):
                if found:  # the call has a text, not a name
                    catalogue.add(_message(found), locations=[(path.name, 0)])
    for path in [ROOT / "main.py", *sorted((ROOT / "token_keeper").glob("*.py"))]:
        for message in _messages_of_calls(path):
            catalogue.add(message, locations=[(path.name, 0)])
        for sentence in sentences_of(path):
            catalogue.add(sentence, locations=[(path.name, 0)])
    return catalogue


def _messages_of_calls(path: Path) -> Iterator[str | tuple[str, ...]]:
    with path.open("rb") as file:
        for _, found, _, _ in extract.extract("python", file, {"gettext": None, "ngettext": (1, 2), "message": None}):
            if found:
                yield _message(found)


def _message(found: str | tuple[str | None, ...]) -> str | tuple[str, ...]:
    """Return a message, or its singular and plural, without what else its call was given."""
    texts = (found,) if isinstance(found, str) else tuple(text for text in found if text is not None)
    return texts if len(texts) > 1 else texts[0]


def sentences_of(path: Path) -> Iterator[str]:
    """Yield the sentences that a module may show to a person, each part of an f-string as a place."""
    if path.name in WITHOUT_SENTENCES:
        return
    tree = ast.parse(path.read_text("utf-8"))
    not_text = {id(part) for node in ast.walk(tree) for part in _without_text(node)}
    for node in ast.walk(tree):
        if id(node) in not_text:
            continue
        if isinstance(node, ast.JoinedStr):
            yield from _sentences("".join(_placed(value) for value in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _sentences(node.value)


def _without_text(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node's docstring, or what an f-string is put together from."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and isinstance(node.body[0], ast.Expr):
        yield node.body[0].value
    if isinstance(node, ast.JoinedStr):
        yield from (part for part in ast.walk(node) if part is not node)


def _placed(value: ast.expr) -> str:
    """Return a part of an f-string: its text, or a place with the last name that its expression has."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    assert isinstance(value, ast.FormattedValue)
    names = [name for name in re.findall(r"[A-Za-z_]\w*", ast.unparse(value.value)) if not keyword.iskeyword(name)]
    return "{" + names[-1] + "}"


def _sentences(text: str) -> Iterator[str]:
    if re.fullmatch(r" [a-z]+ \{\w+\}\S*", text):  # the end of a sentence, if it has one
        yield text
    for sentence in _ENDED.split(text.strip(" ")):
        own = re.sub(r"^(\{\w+\} )+(?=[A-Z])", "", sentence)  # what an error says stands before our own sentence
        if re.fullmatch(r"[\w{`].* .*(\.|: \{\w+\})|[A-Z][\w'-]*( [\w'-]+)+|: [a-zA-Z ]+", own, re.DOTALL):
            yield own


def po(locale: str) -> Path:
    return LOCALE / locale / "LC_MESSAGES" / "messages.po"


def kept(locale: str) -> Catalog:
    """Return a translated catalogue as it stands in the repository."""
    with po(locale).open("rb") as file:
        return read_po(file, locale=locale)


def compiled(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def update(locale: str) -> None:
    """Add the messages that are new, drop those that are gone, compile."""
    path = po(locale)
    path.parent.mkdir(parents=True, exist_ok=True)
    catalogue = Catalog(
        locale, project=PROJECT, version="1", creation_date=MADE, revision_date=MADE, header_comment="", fuzzy=False
    )
    before = kept(locale) if path.exists() else Catalog(locale)
    for message in template_of_messages():
        if message.id:
            known = before.get(message.id)
            catalogue.add(message.id, known.string if known else "", locations=message.locations)
    file = io.BytesIO()
    write_po(file, catalogue, width=120, include_lineno=False)
    lines = file.getvalue().decode().strip().splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith(UNUSED)) + "\n", "utf-8")
    path.with_suffix(".mo").write_bytes(compiled(kept(locale)))


if __name__ == "__main__":
    for name in LOCALES:
        update(name)
        missing = [message.id for message in kept(name) if message.id and not message.string]
        print(f"{name}: {len(kept(name))} messages, {len(missing)} without a translation")
