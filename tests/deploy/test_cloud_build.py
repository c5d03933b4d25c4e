"""cloudbuild.yaml, run here: its steps as they stand, one after the other, filled in as Cloud Build fills them in."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from tests.deploy.deployment import ROOT, environment_of

GIVEN = {"_THREADS_APP_ID": "4242", "_THREADS_SCOPES": "threads_basic,threads_delete", "_REGION": "us-central1"}
# What stands for Python in the test step: it makes an environment whose programs write down what they are asked.
PYTHON = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exit 1
mkdir -p "$3/bin"
for name in pip python; do
  printf '#!/bin/sh\\necho "%s $*" >>"$STUB/asked"\\n[ "$FAILS" != %s ]\\n' $name $name >"$3/bin/$name"
  chmod +x "$3/bin/$name"
done
"""


def filled_in(value, substitutions, used):
    """Return the text as Cloud Build fills it in; a name that it does not know is an error there too."""

    def replace(match):
        if match[0] == "$$":
            return "$"
        used.add(match[1] or match[2])
        return substitutions[match[1] or match[2]]

    return re.sub(r"\$\$|\$(_?[A-Z][A-Z0-9_]*)|\$\{(_?[A-Z][A-Z0-9_]*)\}", replace, value)


def build(given):
    """Return (steps, service account) of the build with these substitutions."""
    config = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
    assert set(config) == {"steps", "substitutions", "serviceAccount", "options", "timeout"}
    assert config["options"] == {"logging": "CLOUD_LOGGING_ONLY"}  # else it asks for a bucket of logs
    assert int(config["timeout"].rstrip("s")) >= 3600  # else it ends after ten minutes
    # No step waits for less than all before it, none is allowed to fail, and no field is misspelt.
    assert all(set(step) <= {"id", "name", "entrypoint", "args", "env"} for step in config["steps"])
    assert set(given) <= set(config["substitutions"])
    substitutions, used = config["substitutions"] | given | {"PROJECT_ID": "demo"}, set()
    steps = [
        {
            **step,
            "args": [filled_in(a, substitutions, used) for a in step["args"]],
            "env": dict(filled_in(e, substitutions, used).split("=", 1) for e in step.get("env", [])),
        }
        for step in config["steps"]
    ]
    account = filled_in(config["serviceAccount"], substitutions, used)
    assert set(config["substitutions"]) <= used  # Cloud Build refuses one that nothing uses
    return steps, account


@pytest.fixture
def workspace(tmp_path, cloud):
    """Return a folder as Cloud Build makes it of the source, beside a project where setup has run."""
    folder = tmp_path / "workspace"
    for path in ("deploy", "token_keeper"):
        shutil.copytree(ROOT / path, folder / path)
    for path in ("main.py", "requirements.txt", "deploy.sh"):
        shutil.copy(ROOT / path, folder / path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(PYTHON)
    (tmp_path / "bin" / "python").chmod(0o755)
    return folder


def run(steps, cloud, workspace, **more):
    """Run the steps in their order until one fails; return the exit status and what was printed."""
    path = f"{workspace.parent / 'bin'}:{cloud.environment['PATH']}"
    printed = ""
    for step in steps:
        environment = cloud.environment | {"PATH": path, "HOME": str(workspace.parent / "home")} | step["env"] | more
        done = subprocess.run(
            [step["entrypoint"], *step["args"]], cwd=workspace, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )  # fmt: skip
        printed += done.stdout
        if done.returncode:
            return done.returncode, printed
    return 0, printed


def test_the_steps_run_the_tests_and_then_deploy_what_was_given(cloud, workspace):
    steps, account = build(GIVEN)
    (cloud.folder / "calls.jsonl").write_text("")
    status, printed = run(steps, cloud, workspace)
    assert status == 0, printed
    pip, pytest_call = (cloud.folder / "asked").read_text().splitlines()
    assert pip == "pip install --quiet --require-hashes --requirement requirements/dev.txt"
    assert (ROOT / pip.rsplit(" ", 1)[1]).exists()
    assert pytest_call == "python -m pytest --quiet"
    assert environment_of(cloud, "threads-oauth")["THREADS_SCOPES"] == "threads_basic,threads_delete"
    assert account == "projects/demo/serviceAccounts/threads-build@demo.iam.gserviceaccount.com"
    assert not [c for c in cloud.commands if c.startswith(("iam ", "secrets "))]  # which this account may not do


@pytest.mark.parametrize(("fails", "asked"), [("pip", 1), ("python", 2)])
def test_where_the_tests_or_their_packages_fail_nothing_is_deployed(cloud, workspace, fails, asked):
    (cloud.folder / "calls.jsonl").write_text("")
    status, _ = run(build(GIVEN)[0], cloud, workspace, FAILS=fails)
    assert status == 1
    assert len((cloud.folder / "asked").read_text().splitlines()) == asked
    assert cloud.commands == []


def test_a_build_without_an_app_id_is_refused_before_anything_is_deployed(cloud, workspace):
    status, printed = run(build({})[0], cloud, workspace)
    assert status == 1
    assert "Set THREADS_APP_ID" in printed


def test_a_name_that_cloud_build_does_not_know_is_found():
    with pytest.raises(KeyError):
        filled_in("$_THREADS_APPID", {"_THREADS_APP_ID": ""}, set())


def test_every_setting_that_is_passed_on_can_be_given_to_the_build():
    passed_on = re.search(r"PASSED_ON=\((.*?)\)", (ROOT / "deploy" / "settings.sh").read_text())[1].split()
    names = {"THREADS_APP_ID", "ALERT_EMAIL", "REGION", *passed_on}
    written = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())["steps"][1]["env"]
    assert set(written) == {"PROJECT_ID=$PROJECT_ID", *(f"{name}=$_{name}" for name in names)}


def test_every_image_is_named_by_its_digest_and_python_is_the_one_that_is_deployed():
    names = [step["name"] for step in build({})[0]]
    assert all(re.fullmatch(r".+@sha256:[0-9a-f]{64}", name) for name in names)
    deployed = re.search(r"BASE_IMAGE=python(\d)(\d+)", (ROOT / "deploy" / "services.sh").read_text())
    assert names[0].startswith(f"python:{deployed[1]}.{deployed[2]}-")
    assert names[1].startswith("gcr.io/google.com/cloudsdktool/google-cloud-cli@")


def source_sum(folder):
    words = 'set -euo pipefail; HERE="$1"; source "$1/deploy/services.sh"; source_sum'
    done = subprocess.run(["bash", "-c", words, "_", folder], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("path", "goes_up"),
    [
        ("main.py", True), ("requirements.txt", True), ("token_keeper/run.py", True),
        ("token_keeper/templates/start.html", True), ("token_keeper/templates/style.css", True),
        ("token_keeper/locale/ja/LC_MESSAGES/messages.mo", True), ("token_keeper/token.txt", False),
        ("token_keeper/__pycache__/run.cpython-313.pyc", False), ("token_keeper/locale/ja/LC_MESSAGES/x.po", False),
        ("deploy.sh", False), ("key.json", False), ("token_keeper/keys/x.py", False), ("token_keeper/.env.py", False),
        ("token_keeper/run copy.py", False), ("token_keeper/x.py/secret.json", False), ("token_keeper/new2.py", True),
        ("token_keeper/locale/ja copy/LC_MESSAGES/messages.mo", False),
    ],
)  # fmt: skip
def test_what_a_deploy_is_told_apart_by_is_what_goes_up(workspace, path, goes_up):
    before = source_sum(workspace)
    (workspace / path).parent.mkdir(parents=True, exist_ok=True)
    (workspace / path).write_text("another")
    assert (source_sum(workspace) != before) == goes_up


def test_bash_reads_every_file_of_the_scripts():
    for path in [ROOT / "deploy.sh", *(ROOT / "deploy").glob("*.sh")]:
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
        sourced = (ROOT / "deploy.sh").read_text()
        assert path.name == "deploy.sh" or f'source "$HERE/deploy/{path.name}"' in sourced
        functions = re.findall(r"^\w+\(\) \{.*?\n\}$", path.read_text(), re.M | re.S)
        assert max((f.count("\n") + 1 for f in functions), default=0) <= 41, path.name
        assert len(path.read_text().splitlines()) <= 280
        assert max(map(len, path.read_text().splitlines())) <= 120, path.name
        assert os.access(path, os.X_OK) == (path.name == "deploy.sh")
