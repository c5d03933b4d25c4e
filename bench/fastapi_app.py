"""The sign-in that people copy from guides: FastAPI, everything loaded at start, no `state`, no proof of the token.

It is here to be measured. Do not use it.
"""

import os
from urllib.parse import urlencode

import grpc
import requests
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse
from google.cloud import secretmanager
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

app = FastAPI()
API = os.environ["THREADS_API_URL"]
REDIRECT_URI = os.environ["PUBLIC_URL"] + "/callback"
SECRET = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/secrets/threads-token-user0"
channel = grpc.insecure_channel(os.environ["SECRET_MANAGER_EMULATOR_HOST"])
client = secretmanager.SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


@app.get("/")
def start() -> HTMLResponse:
    return HTMLResponse('<a href="/login">Sign in with Threads</a>')


@app.get("/login")
def login() -> RedirectResponse:
    query = {
        "client_id": os.environ["THREADS_APP_ID"],
        "redirect_uri": REDIRECT_URI,
        "scope": "threads_basic,threads_content_publish",
        "response_type": "code",
    }
    return RedirectResponse("https://threads.com/oauth/authorize?" + urlencode(query), 302)


@app.get("/callback")
def callback(code: str) -> dict[str, str]:
    secret = os.environ["THREADS_APP_SECRET"]
    form = {
        "client_id": os.environ["THREADS_APP_ID"],
        "client_secret": secret,
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT_URI,
        "code": code,
    }
    short_lived = requests.post(f"{API}/oauth/access_token", data=form, timeout=30).json()["access_token"]
    query = {"grant_type": "th_exchange_token", "client_secret": secret, "access_token": short_lived}
    token = requests.get(f"{API}/access_token", params=query, timeout=30).json()["access_token"]
    added = client.add_secret_version(parent=SECRET, payload=secretmanager.SecretPayload(data=token.encode()))
    return {"stored": added.name}
