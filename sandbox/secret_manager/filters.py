"""The filters of Secret Manager's listings. Source: Google's "Filter secrets and secret versions"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sandbox.secret_manager.refusal import invalid

Fields = Mapping[str, str | Mapping[str, str]]

_TERM = re.compile(r'([A-Za-z_]+)(?:\.([^\s:="()]+))?\s*([:=])\s*(?:"([^"]*)"|([^\s:="()]+))')


def parse_filter(text: str) -> Callable[[Fields], bool]:
    """Return whether a resource matches terms that AND, or OR, joins: `name:part`, `state=ENABLED`, `labels.key=value`.

    `:` means "contains", and `:*` means "is set". The rest of Google's filter language is refused, so that a filter
    never silently means something else here.
    """
    word, joined = ("OR", any) if " OR " in text else ("AND", all)
    terms = [_parse_term(term) for term in re.split(rf"\s+{word}\s+", text.strip())] if text.strip() else []
    return lambda fields: joined(holds(fields) for holds in terms)


def _parse_term(text: str) -> Callable[[Fields], bool]:
    match = _TERM.fullmatch(text)
    if not match:
        raise invalid(f"The filter term [{text}] cannot be read here.")
    field, key, operator, quoted, bare = match.groups()
    wanted = quoted if quoted is not None else bare

    def holds(fields: Fields) -> bool:
        found = _field(fields, field, key)
        if found is None or operator == "=":
            return found == wanted
        return bare == "*" or wanted.lower() in found.lower()

    return holds


def _field(fields: Fields, field: str, key: str | None) -> str | None:
    value = fields.get(field)
    if value is None or isinstance(value, str) != (key is None):
        raise invalid(f"There is no filter field [{field if key is None else f'{field}.{key}'}] here.")
    return value if isinstance(value, str) else value.get(key or "")
