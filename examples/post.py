"""Post a text to Threads with the newest token that the keeper has stored.

GOOGLE_CLOUD_PROJECT=my-project python examples/post.py alice "Hello"
"""

import os
import sys

import grpc
import requests
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

API = os.environ.get("THREADS_API_URL", "https://graph.threads.com") + "/v1.0"


class TokenRefused(Exception):
    """Threads no longer accepts this token. If it is the newest one, its account must sign in again."""


def connect() -> SecretManagerServiceClient:
    emulator = os.environ.get("SECRET_MANAGER_EMULATOR_HOST")  # the local one, of `make run`
    local = SecretManagerServiceGrpcTransport(channel=grpc.insecure_channel(emulator)) if emulator else None
    return SecretManagerServiceClient(transport=local)


def newest_token(username: str) -> str:
    secret = f"threads-token-{username.lower().replace('.', '-')}"
    name = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/secrets/{secret}/versions/latest"
    return connect().access_secret_version(name=name).payload.data.decode().strip()  # a pasted one may end a line


def send(path: str, **form: str) -> str:
    """Return the id that Threads answers with. The token is in the body, since logs keep URLs."""
    reply = requests.post(f"{API}/{path}", data=form, timeout=30)
    answer = reply.json()
    code = answer.get("error", {}).get("code")
    if code == 190:
        raise TokenRefused("error code 190: if it lasts, sign in again")
    if not reply.ok:
        raise SystemExit(f"Threads refused this: HTTP status {reply.status_code}, error code {code}.")
    return answer["id"]


def post(text: str, token: str) -> str:
    container = send("me/threads", media_type="TEXT", text=text, access_token=token)
    # A text is ready at once. Meta advises to wait 30 seconds here for an image or a video.
    return send("me/threads_publish", creation_id=container, access_token=token)


def main(username: str, text: str) -> None:
    try:
        posted = post(text, newest_token(username))
    except TokenRefused:  # a refresh has just replaced it
        posted = post(text, newest_token(username))
    print(f"Posted as {username}: {posted}")


if __name__ == "__main__":
    main(*sys.argv[1:])
