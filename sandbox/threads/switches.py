"""What Meta's pages leave open, each as a switch: software must be right whichever way it is set."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


def _switch(default: Any, label: str) -> Any:
    return field(default=default, metadata={"label": label})


@dataclass
class Switches:
    """How the local Threads behaves where the real one's behaviour is not established."""

    same_string: bool = _switch(False, "Refresh returns the same string")
    old_token_dies: bool = _switch(False, "The old token dies when it is refreshed")
    state_on_cancel: bool = _switch(True, "A cancelled consent echoes the state")
    debug_works: bool = _switch(True, "debug_token works (off: no tester role)")
    debug_user_id_matches: bool = _switch(True, "debug_token's user_id is the id of /me")
    signed_user_id_matches: bool = _switch(True, "signed_request's user_id is the id of /me")
    code_user_id_is_string: bool = _switch(False, "The code exchange gives user_id as a string")
    wrapped: bool = _switch(False, 'Replies are wrapped: {"data": [{…}]}')
    lenient: bool = _switch(False, "JSON bodies, Basic authentication and a GET of the code exchange are taken")
    trailing_slash: bool = _switch(False, "The dashboard has added a trailing slash to the redirect URIs")
    expires_in: int = _switch(5184000, "Seconds that a long-lived token lives (5184000 or 5183944)")
    processing_seconds: int = _switch(0, "Seconds for which a container with an image or a video is IN_PROGRESS")
    too_young_shape: int = _switch(2, "Shape of the too-young error (1 to 4)")
    too_young_code: int = _switch(100, "Code of the too-young error")
    too_young_subcode: int = _switch(0, "Subcode of the too-young error (0: none)")
    too_young_status: int = _switch(400, "HTTP status of the too-young error")

    def turn(self, wanted: dict[str, Any]) -> None:
        """Set several switches at once; raise ValueError, and set none, if a name or a value does not fit."""
        types = {one.name: type(one.default) for one in fields(self)}
        for name, value in wanted.items():
            if name not in types:
                raise ValueError(f"no switch is called {name}; there are: {', '.join(types)}")
            if type(value) is not types[name]:
                raise ValueError(f"{name} must be {'true or false' if types[name] is bool else 'a whole number'}")
        if wanted.get("too_young_shape", 2) not in (1, 2, 3, 4):
            raise ValueError("too_young_shape must be 1, 2, 3 or 4")
        for name, value in wanted.items():
            setattr(self, name, value)
