"""pythreads: signs in, refreshes, asks who it is, posts and lists."""

import asyncio

from local_threads import APP, REDIRECT_URI, consent, let_two_days_pass, report, use_local_addresses

use_local_addresses("pythreads")
from pythreads.api import API  # noqa: E402
from pythreads.threads import Threads  # noqa: E402

config = Threads.load_configuration(
    scopes=["threads_basic", "threads_content_publish"],
    app_id=APP["app_id"],
    api_secret=APP["app_secret"],
    redirect_uri=REDIRECT_URI,
)
page, state = Threads.authorization_url(config)
credentials = Threads.complete_authorization(consent(page), state, config=config)
first = credentials.access_token
let_two_days_pass()
credentials.access_token, credentials.expiration = Threads.refresh_long_lived_token(credentials)


async def post() -> None:
    async with API(credentials) as api:
        container = await api.create_container("Hello from pythreads")
        assert (await api.container_status(container)).status == "FINISHED"
        posted = await api.publish_container(container)
        assert (await api.container(posted))["text"] == "Hello from pythreads"
        assert (await api.publishing_limit())["data"][0]["quota_usage"] >= 1
        report((first, credentials.access_token), await api.account(), posted, await api.threads())


asyncio.run(post())
