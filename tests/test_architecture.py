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
    assert "token_keeper.clock" in IMPORTS["main"]


def test_one_module_alone_speaks_http_and_one_alone_speaks_to_google() -> None:
    assert users_of("requests", "urllib3", "certifi", "ssl", "http", "socket") == {"token_keeper.threads"}
    assert users_of(*GOOGLE) == {"token_keeper.store"}


def test_these_two_do_not_know_each_other() -> None:
    assert "token_keeper.store" not in reached_from("token_keeper.threads")
    assert "token_keeper.threads" not in reached_from("token_keeper.store")


def test_flask_ends_at_the_edge() -> None:
    assert users_of("flask", "werkzeug", "functions_framework") == {"main"}


@pytest.mark.parametrize("name", ["renewal", "run", "report", "proof", "store", "threads", "account"])
def test_what_a_refresh_runs_on_never_reaches_the_sign_in(name: str) -> None:
    assert not reached_from(f"token_keeper.{name}") & SIGN_IN_ONLY


def test_imports_run_one_way() -> None:
    assert [name for name in SOURCES if name in reached_from(name)] == []
    assert [name for name in SOURCES if name != "main" and "main" in reached_from(name)] == []


def test_errors_and_clock_stand_on_nothing() -> None:
    for name in ("errors", "clock", "log", "pace", "loading"):
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
    # A thread's exception, whatever it is, is handed to the request that waits for it.
    assert broad == {"main: BaseException"}


def test_an_exception_that_may_hold_a_secret_is_never_chained() -> None:
    """The errors of `requests` and of Google's client quote the URL or the request, so each is replaced `from None`."""
    for name in ("token_keeper.threads", "token_keeper.store", "token_keeper.signing", "token_keeper.signed_request"):
        for handler in handlers(SOURCES[name]):
            for node in ast.walk(handler):
                if isinstance(node, ast.Raise) and node.exc is not None:
                    assert isinstance(node.cause, ast.Constant), f"{name}, line {node.lineno}"
                    assert node.cause.value is None, f"{name}, line {node.lineno}"


def test_a_requests_exception_is_never_shown() -> None:
    for handler in handlers(SOURCES["token_keeper.threads"]):
        for node in ast.walk(handler):
            if isinstance(node, ast.FormattedValue | ast.Call):
                text = ast.unparse(node)
                assert "str(error)" not in text
                assert "{error" not in text


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


def test_an_instance_of_refresh_has_loaded_googles_client_before_its_server_forks_but_connected_to_nothing() -> None:
    code = f"""
import sys, threading
from functions_framework import create_app
create_app("refresh", {str(ROOT / "main.py")!r})
import main
print("google.cloud.secretmanager_v1" in sys.modules, threading.active_count(), main._store.cache_info().currsize)
"""
    assert run(code).splitlines()[-1] == "True 1 0"


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

class Metadata(BaseHTTPRequestHandler):
    def do_GET(self):
        account = {"email": "refresh@demo.iam.gserviceaccount.com", "scopes": []}
        token = {"access_token": "ya29.of-the-service", "expires_in": 3600, "token_type": "Bearer"}
        reply = json.dumps(token if "/token" in self.path else account) if "/instance/" in self.path else "demo"
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json" if reply.startswith("{") else "text/plain")
        self.end_headers()
        self.wfile.write(reply.encode())
    def log_message(self, *_): pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["GCE_METADATA_HOST"] = os.environ["GCE_METADATA_IP"] = f"127.0.0.1:{server.server_port}"
"""


def test_a_service_whose_tokens_come_from_the_metadata_server_loads_nothing_that_it_never_uses() -> None:
    code = f"""
{METADATA_SERVER}
import main
credentials = main._store("demo", None, 1.0)._client.transport._credentials
from google.auth.transport.requests import Request
credentials.refresh(Request())
loaded = [name for name in ("cryptography", "google.protobuf.text_format") if name in sys.modules]
print(credentials.token, type(credentials).__module__, loaded)
"""
    told = run(code, HOME="/nowhere", K_SERVICE="refresh")
    assert told == "ya29.of-the-service google.auth.compute_engine.credentials []\n"


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


def test_credentials_that_do_sign_still_can(key_file: str) -> None:
    code = """
import main, sys
credentials = main._store("demo", None, 1.0)._client.transport._credentials
from google.auth import crypt, jwt
signed = jwt.encode(credentials.signer, {"aud": "x"})
print(type(credentials).__name__, len(credentials.sign_bytes(b"x")), len(signed.split(b".")))
"""
    assert run(code, GOOGLE_APPLICATION_CREDENTIALS=key_file) == "Credentials 256 3\n"


@pytest.mark.parametrize(
    "names_it",
    [
        lambda key_file: {"K_SERVICE": "oauth", "GOOGLE_APPLICATION_CREDENTIALS": key_file},
        lambda key_file: {"CLOUDSDK_CONFIG": str(Path(key_file).parent)},
    ],
    ids=["named, on Cloud Run", "in somebody's home"],
)
def test_eight_first_requests_at_once_find_credentials_that_sign(
    key_file: str, names_it: Callable[[str], dict[str, str]]
) -> None:
    code = """
import sys, threading, types
from concurrent.futures import ThreadPoolExecutor
import main
sys.setswitchinterval(1e-6)
together = threading.Barrier(8)
def first(_):
    together.wait()
    return type(main._store("demo", None, 1.0)._client.transport._credentials).__name__
with ThreadPoolExecutor(8) as pool:
    print(*pool.map(first, range(8)))
print([name for name in main.loading.SELDOM_USED if type(sys.modules[name]) is not types.ModuleType])
"""
    found, postponed = run(code, **names_it(key_file)).splitlines()
    assert found.split() == ["Credentials"] * 8
    assert postponed == "[]"


def test_what_is_loaded_on_demand_is_what_googles_package_still_has() -> None:
    code = """
import sys
from token_keeper import loading
loading.load("token_keeper.store", on_demand=loading.SELDOM_USED)
loading.load("token_keeper.store", on_demand=loading.SELDOM_USED)
from google.auth import crypt, iam, jwt
print(crypt.RSASigner.__module__, issubclass(iam.Signer, crypt.Signer), jwt.Credentials.__module__)
from google.cloud.secretmanager_v1.types import Secret
print(str(Secret.pb(Secret(name="x"))).strip())
"""
    assert run(code) == 'google.auth.crypt.rsa True google.auth.jwt\nname: "x"\n'


def test_what_cannot_be_loaded_leaves_the_garbage_collector_as_it_was() -> None:
    code = """
import gc
from token_keeper import loading
before = gc.get_freeze_count()
try:
    loading.load("token_keeper.nowhere", on_demand=["google.nowhere", "no_such_package.either"])
except ModuleNotFoundError as error:
    print(error.name, gc.isenabled(), gc.get_freeze_count() - before)
"""
    assert run(code) == "token_keeper.nowhere True 0\n"
