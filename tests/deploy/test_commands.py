"""The real gcloud parses every command of deploy.sh and of the documents, and shows what would be uploaded."""

import re
import shlex
import shutil

import pytest

from tests.deploy.deployment import APP_SECRET, ROOT, SETTINGS, Cloud
from tests.deploy.gcloud_cli import lint, real

pytestmark = pytest.mark.gcloud


def test_a_flag_that_gcloud_does_not_know_is_found(tmp_path):
    assert len(lint(["gcloud run deploy x --nonsense=1", "gcloud projects describe demo"], tmp_path)) == 1


def line(argv):
    """One line for the shell, with the quotes after the "=": the linter takes '--flag=value' for a value."""
    words = (re.sub(r"\s+", " ", a).partition("=") for a in argv)
    quoted = (f"{w}={shlex.quote(v)}" if eq and w[0] == "-" else shlex.quote(w + eq + v) for w, eq, v in words)
    return " ".join(["gcloud", *quoted])


def shape(argv):
    """What two calls of one command with the same flags have in common; parsing one of them is enough."""
    return tuple(a.partition("=")[0] for a in argv if a.startswith("--") or re.fullmatch(r"[a-z]+(-[a-z]+)*", a))


def test_gcloud_understands_every_command_of_every_subcommand(tmp_path):
    cloud = Cloud(tmp_path)
    calls = []
    everything = ["remove", "--yes", "--with-secrets"]
    for arguments in ([], ["functions"], ["account", "carol"], ["status"], ["check"], everything):
        if arguments == ["functions"]:
            cloud.change(lambda s: s["jobs"]["threads-refresh"].update(schedule="old"))
            cloud.change(lambda s: [a["userLabels"].update(document="old") for a in s["alerts"].values()])
        cloud.run(*arguments, **SETTINGS, THREADS_APP_SECRET=APP_SECRET, THREADS_API_URL="http://127.0.0.1:9")
        calls += [call["argv"] for call in cloud.calls]
    shapes = {shape(a): line(a) for a in calls if a[0] not in ("curl", "monitoring")}  # alpha monitoring
    assert len(shapes) > 50
    assert lint(sorted(shapes.values()), tmp_path) == []


def test_gcloud_understands_every_command_of_the_documents(tmp_path):
    documents = "\n".join(path.read_text() for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
    blocks = re.findall(r"^ *```(?:sh|bash|console)\n(.*?)```", documents, re.S | re.M)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = (re.match(r"(?:\$ )?(gcloud [^#|>&]*)", entry.strip()) for entry in lines)
    commands = sorted({match[1].strip() for match in found if match})  # the linter answers once for what is there twice
    assert len(commands) >= 7
    assert lint(commands, tmp_path) == []


def test_the_upload_is_exactly_what_runs():
    files = set(real("meta", "list-files-for-upload", str(ROOT)).split())
    package = {str(p.relative_to(ROOT)) for p in (ROOT / "token_keeper").rglob("*") if p.is_file()}
    left_out = ("__pycache__", ".pyc", ".po")
    runs = {p for p in package if not p.endswith(left_out) and "__pycache__" not in p}
    assert files == {"main.py", "requirements.txt", *runs}


RUNS = {
    "main.py", "requirements.txt", "token_keeper/run.py", "token_keeper/templates/start.html",
    "token_keeper/templates/style.css", "token_keeper/templates/mark.svg",
    "token_keeper/locale/zh_TW/LC_MESSAGES/messages.mo",
}  # fmt: skip
STAYS = (
    ".env", ".env.local", ".git/config", ".venv/bin/python", "venv/bin/python", ".sandbox/state.json",
    "tests/test_x.py", "notes.md", "token_keeper/__pycache__/run.pyc", "sandbox/threads.py",
    "bench/b.py", "cloudbuild.yaml", "deploy.sh",
    "deploy/grants.txt", "key.json", "token.txt", "id_rsa", "keys/sa.json", "backup.tar.gz", "client_secret.json",
    "token_keeper/key.json", "token_keeper/token.txt", "token_keeper/templates/token.txt", "token_keeper/keys/x.py",
    "token_keeper/locale/zh_TW/LC_MESSAGES/messages.po", "main.py.orig", "other/main.py", "requirements-dev.txt",
    ".main.py", "main.py~", "#main.py#", "my key.json", "token_keeper2/run.py", ".token_keeper/run.py",
    "token_keeper/secret.json", "token_keeper/.env", "token_keeper/.env.py", "token_keeper/.#run.py",
    "token_keeper/.run.py.swp", "token_keeper/run.py~", "token_keeper/run.bak.py", "token_keeper/run copy.py",
    "token_keeper/-run.py", "token_keeper/RUN.PY", "token_keeper/x.py/secret.json", "token_keeper/a b/x.py",
    "token_keeper/templates/.env", "token_keeper/templates/.x.html", "token_keeper/templates/start copy.html",
    "token_keeper/templates/x.css/secret.json", "token_keeper/templates/sub/x.html", "token_keeper/locale/x.pem",
    "token_keeper/locale/x.mo", "token_keeper/locale/ja/key.pem", "token_keeper/locale/ja/x.mo",
    "token_keeper/locale/.ja/LC_MESSAGES/messages.mo", "token_keeper/locale/ja copy/LC_MESSAGES/messages.mo",
    "token_keeper/locale/ja/LC_MESSAGES/.env.mo", "token_keeper/locale/ja/LC_MESSAGES/key.pem",
    "token_keeper/locale/ja/LC_MESSAGES/x.mo/secret.json", "token_keeper/locale/ja/OTHER/x.mo",
)  # fmt: skip


def test_what_a_person_may_have_lying_about_stays_at_home(tmp_path):
    for name in (*STAYS, *RUNS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    shutil.copy(ROOT / ".gcloudignore", tmp_path)
    assert set(real("meta", "list-files-for-upload", str(tmp_path)).split()) == RUNS
