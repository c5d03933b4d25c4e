"""threadspipepy: signs in, refreshes, asks who it is, posts and lists."""

import webbrowser
from urllib.parse import parse_qs, urlsplit

from local_threads import APP, REDIRECT_URI, consent, let_two_days_pass, report, use_local_addresses

use_local_addresses("threadspipepy")
from threadspipepy.threadspipe import ThreadsPipe  # noqa: E402


class Browser(webbrowser.BaseBrowser):
    """The person's browser, which this client opens."""

    opened: list[str] = []  # noqa: RUF012 (of this process)

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        return True


webbrowser.register("person", Browser, preferred=True)
asking = ThreadsPipe(0, "", disable_logging=True)
asking.get_auth_token(APP["app_id"], REDIRECT_URI, scope=["basic", "publish"], state="of-the-bot")
back = parse_qs(urlsplit(consent(Browser.opened[0])).query)
assert back["state"] == ["of-the-bot"]
found = asking.get_access_tokens(APP["app_id"], APP["app_secret"], back["code"][0], REDIRECT_URI)
first = found["tokens"]["long_lived"]["access_token"]
let_two_days_pass()
token = asking.refresh_token(first)["access_token"]

client = ThreadsPipe(found["user_id"], token, disable_logging=True, wait_before_post_publish=False)
posted = client.pipe("Hello from threadspipepy")["data"]["media_ids"][0]
assert client.get_post(posted)["text"] == "Hello from threadspipepy"
assert client.get_quota_usage()["data"][0]["quota_usage"] >= 1
report((first, token), client.get_profile(), posted, client.get_posts())
