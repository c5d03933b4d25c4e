"""What `make run` prints once all servers answer: where everything is, and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox import ports
from sandbox.plan import PROJECT, Plan

EXAMPLE = Path(__file__).parent.parent / "examples" / "post.py"


def welcome(plan: Plan, allowed: Sequence[str]) -> str:
    """Return the steps, with commands that work in this folder as they are printed."""
    steps = [f"{number}. {step}" for number, step in enumerate(_steps(plan, allowed), start=1)]
    lines = ["", *steps, "", *_notes(plan, allowed), "Ctrl-C stops everything; nothing is lost.", ""]
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _steps(plan: Plan, allowed: Sequence[str]) -> list[str]:
    name = allowed[0] if allowed else "NAME"
    steps = [
        f"Sign in        {plan.sign_in_url}/",
        f"See it kept    {_accounts(plan)} token {name}",
        f"Refresh        curl -X POST {plan.at('REFRESH')}/",
        f"Status page    {plan.at('REFRESH')}/",
    ]
    steps.insert(2, f"Post           {_post(plan, name)}")
    if not plan.is_real:
        steps.insert(3, f"Move the time  {_python()} -m sandbox.clock 30d")
        steps.append(f"Control page   {plan.at('THREADS')}/sandbox")
    return steps


def _notes(plan: Plan, allowed: Sequence[str]) -> list[str]:
    notes = []
    if plan.is_real:
        notes += [
            f"This is the real Threads. The tokens are in {plan.state}/ and the local Secret Manager hands them out",
            "to any user of this machine who asks it: run it where you trust them all.",
        ]
    if allowed:
        notes.append(f"May sign in: {', '.join(allowed)}. Another: {_accounts(plan)} allow NAME")
    else:
        notes.append("No account is allowed yet: THREADS_USERNAMES=your.name in .env, then start again.")
    return notes


def _accounts(plan: Plan) -> str:
    default = plan.ports["SECRET_MANAGER_PORT"] == ports.DEFAULTS["SECRET_MANAGER_PORT"]
    return f"{_python()} -m sandbox.accounts{'' if default else f' --secret-manager {plan.emulator}'}"


def _post(plan: Plan, name: str) -> str:
    """Return the command by which the example's bot posts; with the real Threads that is a real post."""
    settings = {"GOOGLE_CLOUD_PROJECT": PROJECT, "SECRET_MANAGER_EMULATOR_HOST": plan.emulator}
    if not plan.is_real:
        settings["THREADS_API_URL"] = plan.at("THREADS")
    first, second, *rest = [f"{setting}={value}" for setting, value in settings.items()]
    command = " ".join([*rest, _python(), _short(EXAMPLE), name, '"Hello"'])
    return f"{first} {second} \\\n{' ' * 20}{command}"  # one command on two lines, to be pasted as it stands


def _python() -> str:
    """Return the command of the Python that runs this."""
    return _short(Path(sys.executable))


def _short(path: Path) -> str:
    """Return a path as short as this folder allows."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
