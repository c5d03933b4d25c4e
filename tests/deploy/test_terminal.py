"""A person at a terminal: the prompt, a mistyped secret, Ctrl-C, the questions of `remove` and `forget`."""

import os
import pty
import select
import signal
import termios
import time

import pytest

from tests.deploy.deployment import APP_SECRET, ROOT, SETTINGS
from tests.deploy.gcloud_stub.google_cloud import BUILD
from tests.support.timing import allowed

PROMPT = "Threads App secret (not shown; Ctrl-C to stop): "
BUILDING = "side by side, which takes some minutes"


class Terminal:
    """deploy.sh with a terminal of its own."""

    def __init__(self, cloud, *arguments, **settings):
        (cloud.folder / "calls.jsonl").write_text("")
        self.text = ""
        self.process, self.screen = pty.fork()
        if self.process == 0:
            os.chdir(cloud.folder)
            os.execve(ROOT / "deploy.sh", ["deploy.sh", *arguments], cloud.environment | settings)

    def read_until(self, expected, seconds=60):
        end = time.monotonic() + seconds
        while expected is None or expected not in self.text:
            if not select.select([self.screen], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"{expected!r} did not come: {self.text}")
            try:
                self.text += os.read(self.screen, 4096).decode(errors="replace").replace("\r\n", "\n")
            except OSError:  # the process has ended
                break
        assert expected is None or expected in self.text, self.text

    def wait_for_prompt(self, number):
        """Read up to the prompt of this number, and wait until the terminal shows nothing of what is typed."""
        end = time.monotonic() + 60
        while self.text.count(PROMPT) < number or self.echoes:
            assert time.monotonic() < end, f"prompt {number} did not come: {self.text}"
            if select.select([self.screen], [], [], 0.05)[0]:
                self.text += os.read(self.screen, 4096).decode(errors="replace").replace("\r\n", "\n")

    def type(self, keys):
        os.write(self.screen, keys.encode())

    @property
    def echoes(self):
        return bool(termios.tcgetattr(self.screen)[3] & termios.ECHO)

    def end(self):
        """Return the exit status; all that was shown is in `text`."""
        self.read_until(None)
        status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        os.close(self.screen)
        return status


def test_the_secret_is_asked_for_without_echo_and_a_mistyped_one_is_asked_for_again(empty):
    terminal = Terminal(empty, "setup", **SETTINGS)
    terminal.wait_for_prompt(1)
    assert empty.writes == []
    terminal.type("two words\n")
    terminal.read_until("That has blanks in it")
    terminal.wait_for_prompt(2)
    terminal.type("\n")
    terminal.wait_for_prompt(3)
    terminal.type(f"  {APP_SECRET} \n")
    assert terminal.end() == 0, terminal.text
    assert terminal.text.count(PROMPT) == 3
    assert APP_SECRET not in terminal.text
    assert "two words" not in terminal.text
    assert [v["payload"] for v in empty.state["secrets"]["threads-app-secret"]["versions"]] == [APP_SECRET]


def test_ctrl_d_at_the_prompt_ends_it_before_anything_is_written(empty):
    terminal = Terminal(empty, "setup", **SETTINGS)
    terminal.read_until(PROMPT)
    terminal.type("\x04")
    assert terminal.end() == 1
    assert "No app secret given." in terminal.text
    assert empty.writes == []


def test_ctrl_c_at_the_prompt_leaves_a_terminal_that_echoes(empty):
    terminal = Terminal(empty, "setup", **SETTINGS)
    terminal.read_until(PROMPT)
    terminal.type("\x03")  # at once, and not only when it already waits for a line
    terminal.read_until("Interrupted.")
    assert terminal.echoes
    assert terminal.end() == 130
    assert empty.writes == []


def test_asked_to_ask_it_asks_although_a_secret_is_stored(cloud):
    terminal = Terminal(cloud, "setup", THREADS_APP_SECRET="ask")
    terminal.read_until(PROMPT)
    terminal.type("another-secret\n")
    assert terminal.end() == 0
    versions = [v["payload"] for v in cloud.state["secrets"]["threads-app-secret"]["versions"]]
    assert versions == [APP_SECRET, "another-secret"]


@pytest.mark.parametrize("words", [["remove"], ["forget", "alice"]])
def test_ctrl_c_at_a_question_is_heard_at_once(cloud, words):
    terminal = Terminal(cloud, *words)
    terminal.read_until("[y/N] ")
    terminal.type("\x03")  # before it waits for a line
    terminal.read_until("Interrupted.", seconds=20)
    assert terminal.end() == 130
    assert cloud.writes == []


def test_ctrl_c_in_a_build_ends_both_says_how_to_stop_them_and_the_next_run_completes(first, set_up):
    set_up.change(lambda s: s.update(build_seconds=60))
    terminal = Terminal(set_up, "functions", **SETTINGS)
    terminal.read_until("threads-oauth    Logs are available at [https://console.cloud.google.com/cloud-build/builds")
    terminal.read_until("threads-refresh  Logs are available")
    terminal.type("\x03")
    began = time.monotonic()
    assert terminal.end() == 130
    assert time.monotonic() - began < allowed(45)
    assert f"gcloud builds cancel {BUILD} --region=us-central1 --project=demo" in terminal.text
    assert "Google refused" not in terminal.text
    assert set_up.state["services"] == {}
    set_up.change(lambda s: s.update(build_seconds=0))
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert set_up.state["services"] == first[0].state["services"]


def test_a_build_that_is_told_to_end_by_cloud_build_ends_too(set_up):
    set_up.change(lambda s: s.update(build_seconds=60))
    terminal = Terminal(set_up, "functions", **SETTINGS)
    terminal.read_until("threads-refresh  Logs are available")
    os.kill(terminal.process, signal.SIGTERM)
    assert terminal.end() == 130


@pytest.mark.parametrize("words", [["remove"], ["forget", "alice"]])
@pytest.mark.parametrize(("answer", "status"), [("n\n", 1), ("\n", 1), ("\x04", 1), ("y\n", 0)])
def test_only_a_y_is_a_yes(cloud, words, answer, status):
    terminal = Terminal(cloud, *words)
    terminal.read_until("[y/N] ")
    assert cloud.writes == []
    terminal.type(answer)
    assert terminal.end() == status
    assert bool(cloud.writes) == (status == 0)
