"""A stand-in for curl: answers for the two services from $STUB/state.json; what --config asks for, curl itself asks."""

import json
import os
import shutil
import sys
from pathlib import Path

stub = Path(os.environ["STUB"])
with (stub / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps({"argv": ["curl", *sys.argv[1:]], "stdin": "--config" in sys.argv}) + "\n")
if "--config" in sys.argv:
    here = str(Path(__file__).parent)
    real = shutil.which("curl", path=os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != here))
    assert real
    os.execv(real, ["curl", *sys.argv[1:]])
answers = json.loads((stub / "state.json").read_text())["web"]
print(next(status for host, status in answers.items() if host in sys.argv[-1]), end="")
