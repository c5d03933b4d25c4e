"""`make run`: a local Threads, a local Secret Manager and both functions, until Ctrl-C.

With THREADS_APP_ID, THREADS_APP_SECRET and PUBLIC_URL in the file `.env`, the functions talk to the real Threads, by
the system's clock, and only Secret Manager stays local.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from typing import TextIO

from sandbox import env_file, plan, ports, state_lock
from sandbox.plan import Plan
from sandbox.processes import Processes
from sandbox.trouble import Trouble
from sandbox.welcome import welcome

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEFTOVER_PATIENCE = 10.0  # seconds, in which the children of a run that was killed end


def main() -> int:
    _end_by_signals()
    parent = os.getppid()
    try:
        with _only_once() as lock:
            _run(_plan(), lock, parent)
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("\nStopped.")
    return 0


def _end_by_signals() -> None:
    for number in ENDINGS:
        # `nohup` leaves SIGHUP ignored on purpose; a script's `make run &` leaves SIGINT ignored without meaning it.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _plan() -> Plan:
    """Return what to start; raise Trouble, before anything has started, where a setting is not right."""
    known = (*env_file.NEEDED, *env_file.PASSED_ON, env_file.USERNAMES, *ports.DEFAULTS)
    env = env_file.read(plan.ENV_FILE, known)
    made = Plan(env, ports.read({**env, **os.environ}))
    made.check()
    return made


def _run(made: Plan, lock: TextIO, parent: int) -> None:
    """Run the servers until one ends, which is Trouble, or a signal comes, which is KeyboardInterrupt."""
    ports.check_free(made.used_ports, os.environ)
    is_first = not (made.state / "secrets.json").exists()
    processes = Processes(lock.fileno())
    try:
        processes.start(made.servers)
        processes.wait_until_ready()
        _say(welcome(made, _allowed(made, is_first)))
        while os.getppid() == parent or "MAKELEVEL" not in os.environ:  # until `make` is gone, if it started this
            processes.check()
            time.sleep(0.2)
    finally:
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        processes.stop()


def _allowed(made: Plan, is_first: bool) -> list[str]:
    """Allow the accounts that are named, and return all that may sign in."""
    from sandbox.accounts import Accounts  # takes a while to load, which the servers have used for their own start

    accounts = Accounts(made.emulator, plan.PROJECT)
    # The local people are allowed once: whom somebody took off the list since then stays off it.
    for username in made.usernames if is_first or env_file.USERNAMES in made.env else ():
        accounts.allow(username)
    return [account.username for account in accounts.all()]


def _only_once() -> TextIO:
    """Hold the state folder for this process and its children; raise Trouble where another `make run` holds it."""
    until = time.monotonic() + LEFTOVER_PATIENCE
    while True:
        try:
            plan.STATE.mkdir(parents=True, exist_ok=True)
            return state_lock.hold(plan.STATE / "lock")
        except state_lock.Held as held:
            if held.is_alive:
                raise Trouble(f"`make run` is running in this folder already ({held}). Stop that one first.") from None
            if time.monotonic() > until:
                raise Trouble("Processes of an earlier `make run` in this folder do not end.") from None
        except OSError as error:
            raise Trouble(f"{plan.STATE.absolute()} cannot be written to: {error.strerror}.") from None
        time.sleep(0.05)


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:  # the terminal was closed
        sys.stdout = io.StringIO()  # else Python complains when it ends


if __name__ == "__main__":
    sys.exit(main())
