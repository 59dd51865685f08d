"""Access control: token, host and origin, security headers."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, unquote_to_bytes

from pellucid.serving.errors import RequestError
from pellucid.serving.settings import Settings, is_loopback

COOKIE = "pellucid_token"
LIVE, READY = "/v2/health/live", "/v2/health/ready"
#: what may be asked without a token, so that others can watch over the server
OPEN_PATHS = frozenset({LIVE, READY})
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; "
    b"img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'"
)
#: on everything that is not inference
PAGE_HEADERS: list[tuple[bytes, bytes]] = [
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
NO_SNIFF = (b"x-content-type-options", b"nosniff")
#: what decides who is let in: given twice, others might read the other one
_ONCE = frozenset(
    {
        b"host",
        b"origin",
        b"authorization",
        b"sec-fetch-site",
        b"sec-fetch-mode",
        b"content-length",
    }
)
#: RFC 9110 and 3986: a name or IPv4 address, or an IPv6 address in brackets; a port
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")


class Guard:
    """Let a request in, or refuse it."""

    def __init__(self, settings: Settings) -> None:
        token = settings.token
        self._token = token.encode(errors="surrogateescape") if token else None
        # without a token a page elsewhere could reach us by a name of its own that
        # it lets point here: only this machine's names are answered
        self._checks_host = settings.is_loopback and self._token is None

    def check(self, path: str, headers: dict[bytes, bytes]) -> None:
        """Check a request.

        Raises
        ------
        RequestError
            401 without the token, 403 for another site's page, 421 for a name that is
            not this machine's.
        """
        host = headers.get(b"host", b"").decode("latin-1")
        if self._checks_host and not _is_own(host):
            raise RequestError(
                "serve: Host must be a name of this machine, as 127.0.0.1 or "
                f"localhost; got {host[:80]!r}.",
                status=421,
            )
        origin = headers.get(b"origin")
        if origin is not None and not _is_origin(origin.decode("latin-1"), host):
            raise RequestError(
                "serve: Origin must be this server, for no other site's page may use "
                f"it; got {origin.decode('latin-1')[:80]!r}.",
                status=403,
            )
        # what pages load without asking by script, as pictures, comes without Origin
        site = headers.get(b"sec-fetch-site", b"none")
        is_link = headers.get(b"sec-fetch-mode") == b"navigate"
        if site not in (b"same-origin", b"none") and not is_link:
            raise RequestError(
                "serve: Sec-Fetch-Site must be same-origin, for no other site's page "
                f"may use it; got {site.decode('latin-1')[:80]!r}.",
                status=403,
            )
        if path not in OPEN_PATHS:
            self.check_token(headers)

    def entry(self, path: str, query: bytes) -> list[tuple[bytes, bytes]] | None:
        """Return where a browser goes on that comes with the token in its address.

        It keeps the token as a cookie that no script and no other site can use; the
        address is left without it. None for every other request.
        """
        if self._token is None or path != "/" or not query.startswith(b"token="):
            return None
        given = unquote_to_bytes(query[len(b"token=") :].replace(b"+", b" "))
        if not self.matches(given):
            return None
        cookie = f"{COOKIE}={quote(given)}; Path=/; HttpOnly; SameSite=Strict"
        return [(b"location", b"/"), (b"set-cookie", cookie.encode())]

    def matches(self, token: bytes) -> bool:
        """Return whether that is the token, in UTF-8 or Latin-1.

        Takes as long whether it is or not.
        """
        known = self._token
        if known is None:
            return False
        is_known = hmac.compare_digest(token, known)
        # some clients write headers in Latin-1
        return hmac.compare_digest(token.decode("latin-1").encode(), known) or is_known

    def check_token(self, headers: dict[bytes, bytes]) -> None:
        """Check that a request has the token, where there is one; RequestError."""
        if self._token is None:
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        token = given.strip() if scheme.lower() == b"bearer" else b""
        if not (self.matches(token) or self.matches(_cookie(headers))):
            raise RequestError(
                "serve: Authorization must be 'Bearer' and the server's token; "
                f"got {'another token' if token else 'none'}.",
                status=401,
                headers={"www-authenticate": "Bearer"},
            )


def check_once(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse a request that says twice where it goes or who it is from.

    Raises
    ------
    RequestError
        400, as RFC 9112 has it for Host.
    """
    found: set[bytes] = set()
    for name, _ in headers:
        if name in found:
            raise RequestError(
                f"serve: a request must have one header '{name.decode()}'; got several."
            )
        if name in _ONCE:
            found.add(name)


def _is_own(host: str) -> bool:
    """Return whether a Host header names this machine, whole and by the grammar."""
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback(found[1].removesuffix("."))


def _is_origin(origin: str, host: str) -> bool:
    """Return whether an Origin header is of the server that Host names."""
    scheme, _, place = origin.partition("://")
    return scheme in ("http", "https") and place.lower() == host.lower()


def _cookie(headers: dict[bytes, bytes]) -> bytes:
    """Return the token that a browser keeps, or nothing."""
    try:
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return b""
    return unquote_to_bytes(cookies[COOKIE].value) if COOKIE in cookies else b""
