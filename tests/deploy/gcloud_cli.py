"""The real gcloud, where there is one."""

import json
import subprocess


def real(*arguments, **options):
    done = subprocess.run(["gcloud", *arguments], capture_output=True, text=True, timeout=120, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lint(commands, folder):
    """What is wrong with each command, by gcloud's own command tree; it exits 0 always."""
    file = folder / "commands.json"
    file.write_text(json.dumps([{"command_string": command} for command in commands]))
    findings = json.loads(real("meta", "lint-gcloud-commands", f"--commands-file={file}"))
    assert len(findings) == len(commands)
    return [f"{f['command_string']}: {f['error_message']}" for f in findings if not f["success"]]
