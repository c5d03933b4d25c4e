"""A stand-in for curl: answers for the two services as their state has it; what --config asks for, curl itself asks."""

import json
import os
import shutil
import sys
from pathlib import Path

stub = Path(os.environ["STUB"])
state = json.loads((stub / "state.json").read_text())


def answer(name):
    service = state["services"].get(name)
    if not service:
        return "404"
    annotations = service["metadata"]["annotations"]
    if annotations.get("run.googleapis.com/ingress", "all") != "all":
        return "404"
    off = annotations.get("run.googleapis.com/invoker-iam-disabled", "").lower() == "true"
    granted = ["roles/run.invoker", "allUsers"] in state["policies"].get(f"services/{name}", [])
    return "200" if off or granted else "403"


with (stub / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps({"argv": ["curl", *sys.argv[1:]], "stdin": "--config" in sys.argv}) + "\n")
if "--config" in sys.argv:
    here = str(Path(__file__).parent)
    real = shutil.which("curl", path=os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != here))
    assert real
    os.execv(real, ["curl", *sys.argv[1:]])
name = next(name for name in ("threads-oauth", "threads-refresh") if name in sys.argv[-1])
print(state["web"].get(name) or answer(name), end="")
