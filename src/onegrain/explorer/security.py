"""The explorer's gate: who may ask, and the headers that say what a page may load."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onegrain.explorer.settings import Settings

__all__ = ["Gate", "content_policy"]

COOKIE = "onegrain-token"
SAFE = frozenset(["GET", "HEAD", "OPTIONS"])
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms would come from the origin "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
CLOSED_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def content_policy(nonce: str, integrities: Iterable[str] = (), *, embedded: bool = False) -> str:
    """Return the Content-Security-Policy of a page: its own files only, and no inline code or style.

    Args:
        nonce: of this response.
        integrities: the hashes of the scripts that it loads.
        embedded: True for a page that other pages may show in a frame.
    """
    scripts = " ".join([f"'nonce-{nonce}'", *(f"'{integrity}'" for integrity in integrities)])
    # without the directive any page may frame it, also one that was opened from a file; * would not allow that
    ancestors = "" if embedded else "; frame-ancestors 'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self'; form-action 'self'; base-uri 'none'{ancestors}"
    )


class Gate:
    """Middleware that refuses requests of other hosts, other origins and without the token.

    - The ``Host`` header has to name this explorer, so that no other site's name can be made to point here
      (DNS rebinding). With a token, addresses written as numbers are accepted too.
    - A request that changes something has to come from one of the explorer's own pages, by ``Origin`` and
      ``Sec-Fetch-Site``.
    - With a token, the first address carries it; it moves into a cookie that other sites cannot send.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal:
            await PlainTextResponse(refusal, 403, headers={"Content-Security-Policy": CLOSED_POLICY})(
                scope, receive, send
            )
            return
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if self.settings.token and not self._has_cookie(headers):
            given = query.pop("token", [""])[-1]
            if not hmac.compare_digest(given.encode(), self.settings.token.encode()):
                text = "This explorer needs its token: open the address that onegrain explore printed."
                await PlainTextResponse(text, 401)(scope, receive, send)
                return
            await self._with_cookie(scope["path"], query)(scope, receive, send)
            return
        await self.app(scope, receive, _adding_headers(send))

    def _refusal(self, method: str, headers: Headers) -> str:
        """Return why a request is refused; empty if it is not."""
        if not self._is_host(headers.get("host", "")):
            return "This explorer does not answer under that host name."
        if method in SAFE:
            return ""
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            return "This request comes from another site."
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "This request comes from another site."
        return ""

    def _is_host(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self.settings.hosts:
            return True
        if not self.settings.token:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self.settings.token.encode())

    def _with_cookie(self, path: str, query: dict[str, list[str]]) -> RedirectResponse:
        """Return the way to the same address without the token, which goes into a cookie."""
        address = "/" + path.lstrip("/") + (f"?{urlencode(query, doseq=True)}" if query else "")
        response = RedirectResponse(address, 303)
        response.set_cookie(COOKIE, self.settings.token, httponly=True, samesite="strict")
        return response


def _adding_headers(send: Send) -> Send:
    """Return a sender that adds the headers of every response, and the closed policy where none is set."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", CLOSED_POLICY)
        await send(message)

    return sending
