"""A minimal browser for sign-ins."""

import http.client
import json
import time
from urllib.parse import urlsplit

CALLBACK = "/api/v2/users/oidc/callback"
SESSION = "coder_session_token"


class Connections:
    """Persistent connections, one for each port."""

    def __init__(self):
        self.open = {}

    def get(self, port, target, headers):
        """Returns status, headers and body of the response."""
        connection = self.open.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=20))
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def cookies_of(headers):
    """The cookies that a response sets and does not delete."""
    pairs = (line.split(";")[0].partition("=") for line in headers.get_all("set-cookie", []))
    return {name: value for name, _, value in pairs if value}


def sign_in(port, address, connections=None, person="alice"):
    """Signs in through the gateway at `port` from client address `address`, and returns the session token."""
    connections = connections or Connections()
    browser = {"X-Forwarded-For": address, "User-Agent": "bench", "Accept": "text/html"}
    status, headers, body = connections.get(port, f"{CALLBACK}?redirect=/", browser)
    attempt = cookies_of(headers)
    provider = urlsplit(headers.get("location", ""))
    if status // 100 != 3 or not provider.port:
        raise SystemExit(f"the sign-in does not begin: {status} {body[:500]}")
    _, headers, _ = connections.get(provider.port, f"{provider.path}?{provider.query}&person={person}", {})
    back = urlsplit(headers["location"])
    cookies = "; ".join(f"{name}={value}" for name, value in attempt.items())
    status, headers, body = connections.get(port, f"{back.path}?{back.query}", {**browser, "Cookie": cookies})
    token = cookies_of(headers).get(SESSION)
    if not token:
        raise SystemExit(f"the sign-in ends without a session: {status} {body[:500]}")
    return token


def until_discovered(issuer_port, seconds=20):
    """Waits until the gateway knows its provider."""
    until = time.monotonic() + seconds
    while Connections().get(issuer_port, "/.well-known/openid-configuration", {})[0] != 200:
        if time.monotonic() > until:
            raise SystemExit("the gateway does not find its provider")
        time.sleep(0.05)


def user_id(port, token):
    status, _, body = Connections().get(port, "/api/v2/users/me", {"Coder-Session-Token": token})
    if status != 200:
        raise SystemExit(f"the session is not served: {status} {body[:500]}")
    return json.loads(body)["id"]


def follow(url):
    """Follows redirects with cookies, for other gateways; returns the last host's cookies as a header value."""
    connections, jar = Connections(), {}
    for _ in range(10):
        to = urlsplit(url)
        cookies = "; ".join(f"{name}={value}" for name, value in jar.get(to.port, {}).items())
        status, headers, _ = connections.get(to.port, f"{to.path}?{to.query}", {"Cookie": cookies})
        jar.setdefault(to.port, {}).update(cookies_of(headers))
        if status // 100 != 3:
            break
        location = headers["location"]
        url = location if "://" in location else f"http://127.0.0.1:{to.port}{location}"
    return "; ".join(f"{name}={value}" for name, value in jar[to.port].items())
