"""The layout, read from the imports: who uses what, who imports whom, and what is loaded when."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(__file__).parent.parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
    for path in [ROOT / "main.py", *sorted((ROOT / "token_keeper").rglob("*.py"))]
}
GOOGLE = ("google", "grpc", "google_crc32c", "proto")
SIGN_IN_ONLY = {
    "token_keeper.sign_in",
    "token_keeper.signing",
    "token_keeper.signed_request",
    "token_keeper.removal",
    "token_keeper.settings",
}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(node: ast.AST) -> set[str]:
    """Return what is imported anywhere, also inside functions, but not what only the type checker imports."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if is_for_types(child):
            continue
        if isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "imports are absolute"
            module = str(child.module)
            found |= {f"{module}.{alias.name}" for alias in child.names if f"{module}.{alias.name}" in SOURCES}
            found |= set() if module == "token_keeper" else {module}
        found |= imports(child)
    return found


IMPORTS = {name: imports(tree) for name, tree in SOURCES.items()}


def users_of(*packages: str) -> set[str]:
    return {name for name, used in IMPORTS.items() if any(one.partition(".")[0] in packages for one in used)}


def reached_from(name: str) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        new = {one for one in IMPORTS[waiting.pop()] if one in SOURCES} - reached
        reached |= new
        waiting += new
    return reached


def test_the_table_is_read_at_all() -> None:
    assert len(SOURCES) >= 15
    assert "token_keeper.errors" in IMPORTS["token_keeper.sign_in"]
    assert "token_keeper.settings" in IMPORTS["main"]


def test_one_module_alone_speaks_http_and_one_alone_speaks_to_google() -> None:
    assert users_of("requests", "urllib3", "http") == {"token_keeper.connection"}
    assert users_of("certifi", "ssl") == {"token_keeper.connection", "token_keeper.tls"}
    assert users_of(*GOOGLE) == {"token_keeper.secret_manager", "token_keeper.store"}


def test_these_two_do_not_know_each_other() -> None:
    for one, other in (("threads", "store"), ("threads", "secret_manager"), ("connection", "store")):
        assert f"token_keeper.{other}" not in reached_from(f"token_keeper.{one}")
        assert f"token_keeper.{one}" not in reached_from(f"token_keeper.{other}")


def test_flask_ends_at_the_edge() -> None:
    assert users_of("flask", "werkzeug", "functions_framework", "gunicorn") == {"main", "token_keeper.web"}
    assert users_of("socket") == {"token_keeper.web"}  # to end a connection whose sender is too slow
    assert [name for name in SOURCES if name != "main" and "token_keeper.web" in reached_from(name)] == []


@pytest.mark.parametrize("name", ["renewal", "run", "report", "proof", "store", "threads", "account", "look"])
def test_what_a_refresh_runs_on_never_reaches_the_sign_in(name: str) -> None:
    assert not reached_from(f"token_keeper.{name}") & SIGN_IN_ONLY


def test_imports_run_one_way() -> None:
    assert [name for name in SOURCES if name in reached_from(name)] == []
    assert [name for name in SOURCES if name != "main" and "main" in reached_from(name)] == []


def test_errors_and_clock_stand_on_nothing() -> None:
    for name in ("errors", "clock", "limits", "access_token"):
        assert reached_from(f"token_keeper.{name}") == set()


def test_the_deployed_code_knows_neither_the_sandbox_nor_the_tests() -> None:
    assert users_of("sandbox", "tests", "bench", "conftest") == set()


def test_the_package_re_exports_nothing() -> None:
    assert IMPORTS["token_keeper"] == set()


def handlers(tree: ast.AST) -> list[ast.ExceptHandler]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]


def caught(handler: ast.ExceptHandler) -> str:
    return ast.unparse(handler.type) if handler.type else ""


def test_nothing_is_caught_that_nobody_expected() -> None:
    broad = {
        f"{name}: {caught(handler) or 'bare'}"
        for name, tree in SOURCES.items()
        for handler in handlers(tree)
        if caught(handler) in ("", "Exception", "BaseException")
    }
    # Every exception of a thread is passed to the request that waits for it. An unexpected one is logged as a bug,
    # without its text.
    assert broad == {"token_keeper.deadline: BaseException", "token_keeper.web: Exception"}


def test_an_exception_that_may_hold_a_secret_is_never_chained() -> None:
    """The errors of `requests` and of Google's client quote the URL or the request, so each is replaced `from None`."""
    for name in ("connection", "refusals", "secret_manager", "store", "signing", "signed_request", "web"):
        for handler in handlers(SOURCES[f"token_keeper.{name}"]):
            for node in ast.walk(handler):
                if isinstance(node, ast.Raise) and node.exc is not None:
                    assert isinstance(node.cause, ast.Constant), f"{name}, line {node.lineno}"
                    assert node.cause.value is None, f"{name}, line {node.lineno}"


def test_a_requests_exception_is_never_shown() -> None:
    for handler in handlers(SOURCES["token_keeper.connection"]):
        for node in ast.walk(handler):
            if isinstance(node, ast.FormattedValue | ast.Call):
                text = ast.unparse(node)
                assert "str(error)" not in text
                assert "{error" not in text


def test_nothing_reads_the_environment_at_import() -> None:
    readers = {name for name, tree in SOURCES.items() if "os" in IMPORTS[name]}
    assert readers == {"main", "token_keeper.secret_manager"}
    for name in readers:
        inside = [node for node in ast.walk(SOURCES[name]) if isinstance(node, ast.FunctionDef)]
        within = {id(part) for function in inside for part in ast.walk(function)}
        read = [node for node in ast.walk(SOURCES[name]) if isinstance(node, ast.Attribute) and node.attr == "environ"]
        assert all(id(node) in within for node in read), name
    assert not any(word in ast.unparse(tree) for tree in SOURCES.values() for word in ("getenv", "putenv"))


# What is loaded when


def run(code: str, **environ: str) -> str:
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


OAUTH = {
    "GOOGLE_CLOUD_PROJECT": "demo",
    "THREADS_APP_ID": "1",
    "THREADS_APP_SECRET": "s",
    "PUBLIC_URL": "https://keeper.example",
}


def test_main_can_be_imported_without_any_setting() -> None:
    assert run("import main; print('fine')") == "fine\n"


def test_pages_login_and_refusals_load_neither_googles_client_nor_requests() -> None:
    code = f"""
import sys
from functions_framework import create_app
client = create_app("oauth", {str(ROOT / "main.py")!r}).test_client()
paths = ["/", "/login", "/nothing", "/callback", "/callback?error=x", "/callback?code=c&state=s"]
paths += ["/signed-in?receipt=x", "/deletion?code=x"]
codes = [client.get(path).status_code for path in paths]
codes.append(client.post("/uninstall").status_code)
codes.append(client.post("/delete", data={{"signed_request": "a.b"}}).status_code)
heavy = ("google.cloud.secretmanager_v1", "google.api_core", "grpc", "requests", "urllib3")
loaded = [name for name in heavy if name in sys.modules]
print(codes, loaded, file=sys.__stdout__)
"""
    last = run(code, **OAUTH).splitlines()[-1]
    assert last == "[200, 302, 404, 400, 400, 400, 400, 400, 400, 400] []"


@pytest.mark.parametrize("target", ["oauth", "refresh"])
def test_a_new_instance_has_loaded_and_connected_nothing_that_a_server_that_forks_would_share(target: str) -> None:
    code = f"""
import sys, threading
from functions_framework import create_app
create_app({target!r}, {str(ROOT / "main.py")!r})
print("google.cloud.secretmanager_v1" in sys.modules, "grpc" in sys.modules, threading.active_count())
"""
    assert run(code).splitlines()[-1] == "False False 1"


def test_refresh_starts_and_runs_without_any_sign_in_setting() -> None:
    code = f"""
import os, sys
from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from functions_framework import create_app
with SecretManager(Clock()) as manager:
    os.environ["SECRET_MANAGER_EMULATOR_HOST"] = manager.address
    client = create_app("refresh", {str(ROOT / "main.py")!r}).test_client()
    manager.create("threads-token-alice", labels={{"managed-by": "threads-token-keeper"}})
    reply = client.post("/")
    print(reply.status_code, reply.json["outcomes"], file=sys.__stdout__)
    sys.__stdout__.flush()
    os._exit(0)
"""
    assert run(code, GOOGLE_CLOUD_PROJECT="demo").splitlines()[-1] == "200 {'not_signed_in': 1}"


METADATA_SERVER = """
import json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

answers = iter(ANSWERS)

class Metadata(BaseHTTPRequestHandler):
    def do_GET(self):
        status = next(answers, 200)
        account = {"email": "refresh@demo.iam.gserviceaccount.com", "scopes": []}
        token = {"access_token": "ya29.of-the-service", "expires_in": 3600, "token_type": "Bearer"}
        reply = json.dumps(token if "/token" in self.path else account) if "/instance/" in self.path else "demo"
        self.send_response(status)
        if status == 200:
            self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json" if reply.startswith("{") else "text/plain")
        self.end_headers()
        self.wfile.write(reply.encode())
    def log_message(self, *_): pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["GCE_METADATA_HOST"] = os.environ["GCE_METADATA_IP"] = f"127.0.0.1:{server.server_port}"
os.environ["GCE_METADATA_TIMEOUT"] = "1"

from token_keeper.clients import Clients
from token_keeper.errors import KeeperError
from token_keeper.outcomes import verdict
clients = Clients()
for _ in range(2):
    try:
        clients.store("demo", None)
        print("connected")
    except KeeperError as error:
        row = verdict(error)
        print(type(error).__name__, row.status, row.severity, error)
"""


def test_a_metadata_server_that_is_late_at_a_cold_start_is_a_passing_fault() -> None:
    told = run(METADATA_SERVER.replace("ANSWERS", "[503]"), HOME="/nowhere", K_SERVICE="oauth").splitlines()
    late = "StoreUnavailable 503 WARNING Google's metadata server did not answer yet."
    assert told[0] == late
    assert told[1] == "connected"  # the failure is not remembered


def test_missing_credentials_are_reported_to_the_operator() -> None:
    told = run(METADATA_SERVER.replace("ANSWERS", "[503] * 99"), HOME="/nowhere").splitlines()
    assert told == ["StoreRefused 500 ERROR There are no Google credentials here."] * 2


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    """The key of a service account, which a person may use to try the functions on their own machine."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key = rsa.generate_private_key(65537, 2048).private_bytes(*form).decode()
    uri = "http://127.0.0.1:9/token"
    account = {"type": "service_account", "client_email": "a@b", "token_uri": uri, "private_key": key}
    found = tmp_path / "application_default_credentials.json"  # the name by which Google's tools leave one in a home
    found.write_text(json.dumps(account))
    return str(found)


@pytest.mark.parametrize(
    "names_it",
    [
        lambda key_file: {"K_SERVICE": "oauth", "GOOGLE_APPLICATION_CREDENTIALS": key_file},
        lambda key_file: {"CLOUDSDK_CONFIG": str(Path(key_file).parent)},
    ],
    ids=["named, on Cloud Run", "in somebody's home"],
)
def test_eight_first_requests_at_once_share_one_client_with_credentials_from_a_key(
    key_file: str, names_it: Callable[[str], dict[str, str]]
) -> None:
    code = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from token_keeper.clients import Clients
sys.setswitchinterval(1e-6)
clients, together = Clients(), threading.Barrier(8)
def first(_):
    together.wait()
    return type(clients.store("demo", None)).__name__
with ThreadPoolExecutor(8) as pool:
    print(*pool.map(first, range(8)))
"""
    assert run(code, **names_it(key_file)).split() == ["TokenStore"] * 8
