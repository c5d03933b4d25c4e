"""requests-oauthlib, which knows nothing of Threads: signs in, refreshes, asks who it is, posts and lists."""

from local_threads import APP, REDIRECT_URI, THREADS, consent, let_two_days_pass, report
from requests_oauthlib import OAuth2Session

client = OAuth2Session(APP["app_id"], redirect_uri=REDIRECT_URI, scope="threads_basic,threads_content_publish")
page, state = client.authorization_url(f"{THREADS}/oauth/authorize")
short = client.fetch_token(
    f"{THREADS}/oauth/access_token",
    authorization_response=consent(page),
    include_client_id=True,
    client_secret=APP["app_secret"],
)


def renew(path: str, token: str, **more: str) -> str:
    reply = client.get(f"{THREADS}/{path}", params={"access_token": token, **more}, withhold_token=True)
    client.token = reply.json()
    return str(reply.json()["access_token"])


first = renew("access_token", short["access_token"], grant_type="th_exchange_token", client_secret=APP["app_secret"])
let_two_days_pass()
token = renew("refresh_access_token", first, grant_type="th_refresh_token")
# From here on the session sends the token by itself, in the header `Authorization: Bearer`.
API = f"{THREADS}/v1.0"
form = {"media_type": "TEXT", "text": "Hello from requests-oauthlib"}
container = client.post(f"{API}/me/threads", data=form).json()["id"]
posted = client.post(f"{API}/me/threads_publish", data={"creation_id": container}).json()["id"]
me = client.get(f"{API}/me", params={"fields": "id,username"}).json()
report((first, token), me, posted, client.get(f"{API}/me/threads", params={"fields": "id,text"}).json())
