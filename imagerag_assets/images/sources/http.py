"""Single addresses over http(s), as a manifest gives them: asked for what changed, fetched within limits.

An address is checked when the connection is made, and the connection goes to the very address that was checked: a name
that resolves differently the second time gains nothing. Proxies of the environment are not used, for they would
resolve names themselves.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpcore
import httpx

from imagerag_assets.errors import ItemError
from imagerag_assets.images.sources.source import ListedFile, ReadFile

TIME_LIMIT_SECONDS = 120.0
"""For one file, with all its redirects, retries and waits."""
ATTEMPTS = 4
MAX_REDIRECTS = 5
_FIRST_WAIT_SECONDS = 0.5
_FAILURES_UNTIL_DOWN = 3
"""So many files in a row that a host did not answer for, and for a while it is not asked: a host that is down may be
named by a hundred thousand lines."""
_REST_SECONDS = 10.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_HEAD = frozenset({400, 403, 405, 501})
"""What servers say to HEAD that would answer GET: signed addresses (403), frameworks (405)."""
_PAGES = ("text/html", "application/xhtml+xml", "application/json", "application/xml", "text/xml")
"""A login page, an error page: never an image. Anything else is told from the bytes."""
_REASONS = {401: "forbidden", 403: "forbidden", 404: "not_found", 410: "gone", 429: "rate_limited"}
# Services for virtual machines that hand out credentials: no images are there, and not all are in a private range.
_METADATA_SERVICES = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"))
)
# NAT64 and the old "IPv4-compatible" form: the last four bytes are an IPv4 address.
_HOLDING_IPV4 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
_Result = TypeVar("_Result")


class _AgainError(Exception):
    """Worth another attempt, after `wait` seconds when the server said so."""

    def __init__(self, error: ItemError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class Web:
    """Asks servers about files and fetches them. One for a source; threads share it."""

    near = False

    def __init__(
        self,
        *,
        allow_private_hosts: bool,
        time_limit: float = TIME_LIMIT_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._time_limit = time_limit
        self._sleep = sleep
        self._silent: dict[str, tuple[int, float]] = {}
        self._client = httpx.Client(
            transport=_CheckedTransport(allow_private_hosts),
            timeout=httpx.Timeout(15.0, connect=10.0, pool=time_limit),
            follow_redirects=False,
            trust_env=False,
            headers={
                "User-Agent": "imagerag",
                "Accept": "image/*, application/pdf, */*;q=0.5",
                # Then Content-Length is the file's size, and nothing can unpack to more than was counted.
                "Accept-Encoding": "identity",
            },
        )

    def describe(self, url: str) -> ListedFile:
        """The address' entry in a listing, by a HEAD request; with a reason when the server says that nothing is there.

        The version is the ETag or Last-Modified. Raises nothing.
        """
        try:
            size, version = self._persist(url, lambda deadline: self._head(url, deadline))
        except ItemError as error:
            return ListedFile(url, None, "", reason=error.reason, message=str(error))
        return ListedFile(url, size, version)

    def read(self, url: str, max_bytes: int) -> ReadFile:
        """The file's bytes.

        Raises `ItemError`: `not_found`, `gone`, `forbidden`, `http_error`, `rate_limited`, `server_error`,
        `unreachable`, `fetch_timeout`, `truncated_body`, `wrong_content_type`, `too_large`, `too_many_redirects`,
        `private_address`, `scheme_refused`, `bad_address`.
        """
        return self._persist(url, lambda deadline: self._get(url, max_bytes, deadline))

    def _persist(self, url: str, do: Callable[[float], _Result]) -> _Result:
        """Try until it works, the attempts are used up or time is: each wait twice the last, or as the server says."""
        deadline = time.monotonic() + self._time_limit
        host = urlsplit(url).netloc
        failures, last = self._silent.get(host, (0, 0.0))
        if failures >= _FAILURES_UNTIL_DOWN and time.monotonic() < last + _REST_SECONDS:
            raise ItemError("unreachable", f"{url}: {host} did not answer for the files before.")
        for attempt in range(ATTEMPTS):
            try:
                found = do(deadline)
            except _AgainError as again:
                wait = again.wait
                if wait is None:
                    # Not at the same moment as everyone else who was turned away.
                    wait = _FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.75, 1.25)  # noqa: S311
                if attempt + 1 == ATTEMPTS or time.monotonic() + wait > deadline:
                    if again.error.reason in ("unreachable", "fetch_timeout"):
                        self._silent[host] = (failures + 1, time.monotonic())
                    raise again.error from None
                self._sleep(wait)
            else:
                self._silent.pop(host, None)
                return found
        raise AssertionError("every attempt ends in a result or an error")

    def _head(self, url: str, deadline: float) -> tuple[int | None, str]:
        with self._answer("HEAD", url, deadline) as response:
            if response.status_code not in _NO_HEAD:
                _require_file(url, response)
                return _length(response), _version(response)
        with self._answer("GET", url, deadline) as response:
            _require_file(url, response)
            return _length(response), _version(response)

    def _get(self, url: str, max_bytes: int, deadline: float) -> ReadFile:
        with self._answer("GET", url, deadline) as response:
            _require_file(url, response)
            length = _length(response)
            if length is not None and length > max_bytes:
                _refuse_size(url, f"{length:,} bytes", max_bytes)
            data = bytearray()
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > max_bytes:
                    _refuse_size(url, "more", max_bytes)
                # A server that sends a byte now and then never runs into the time-out of a single read.
                if time.monotonic() > deadline:
                    raise ItemError("fetch_timeout", f"{url}: not whole after {self._time_limit:g} s.")
            return ReadFile(bytes(data), _version(response))

    @contextmanager
    def _answer(self, method: str, url: str, deadline: float) -> Iterator[httpx.Response]:
        """The answer behind all redirects, its body not read yet. Every hop is checked like the first."""
        response = None
        at = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                _require_scheme(url, at)
                if time.monotonic() > deadline:
                    raise ItemError("fetch_timeout", f"{url}: no answer within {self._time_limit:g} s.")
                response = self._client.send(self._client.build_request(method, at), stream=True)
                target = response.headers.get("Location")
                if response.status_code not in _REDIRECTS or not target:
                    yield response
                    return
                response.close()
                at = str(httpx.URL(at).join(target))
            raise ItemError("too_many_redirects", f"{url}: more than {MAX_REDIRECTS} redirects.")
        except httpx.TimeoutException as error:
            raise _AgainError(ItemError("fetch_timeout", f"{url}: {_told(error)}")) from None
        except httpx.RemoteProtocolError as error:
            # Also what a body shorter than its Content-Length raises.
            reason = "truncated_body" if response is not None and not response.is_closed else "unreachable"
            raise _AgainError(ItemError(reason, f"{url}: {_told(error)}")) from None
        except httpx.TransportError as error:
            raise _AgainError(ItemError("unreachable", f"{url}: {_told(error)}")) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ItemError("bad_address", f"{url}: {_told(error)}") from None
        finally:
            if response is not None:
                response.close()


def require_web_address(url: str) -> None:
    """Raise `ItemError` with reason `bad_address` for what no request can be made to, or holds a password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ItemError("bad_address", f"This is no web address: {error}.") from None
    if not parts.netloc:
        raise ItemError("bad_address", "The web address names no host.")
    if "@" in parts.netloc:
        # Not quoted: the message is stored.
        raise ItemError("bad_address", "The web address holds a user or a password, which would be stored with it.")


class _CheckedTransport(httpx.HTTPTransport):
    def __init__(self, allow_private_hosts: bool) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context, trust_env=False)
        # httpx has no parameter for the network beneath its pool; certificates are checked against the name as always.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=32,
            network_backend=_CheckedNetwork(allow_private_hosts),
        )


class _CheckedNetwork(httpcore.NetworkBackend):
    """Resolves a name once, checks every address of it, and connects to one of those."""

    def __init__(self, allow_private_hosts: bool) -> None:
        self._allow_private_hosts = allow_private_hosts
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} has no address: {error}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            _require_allowed(host, address, self._allow_private_hosts)
        for last, address in enumerate(addresses, start=1 - len(addresses)):
            try:
                return self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last == 0:
                    raise
        raise httpcore.ConnectError(f"{host} has no address.")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def _require_allowed(host: str, address: str, allow_private_hosts: bool) -> None:
    meant = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if meant in _METADATA_SERVICES:
        raise ItemError("private_address", f"{host} is {address}, the metadata service of a cloud: never asked.")
    if not allow_private_hosts and (not meant.is_global or meant.is_multicast):
        raise ItemError(
            "private_address",
            f"{host} is {address}, which is no public address. The collection's allow_private_hosts would allow it.",
        )


def _meant(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _HOLDING_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address


def _require_scheme(url: str, at: str) -> None:
    if httpx.URL(at).scheme not in ("http", "https"):
        raise ItemError("scheme_refused", f"{url} leads to {at[:200]}, and only http and https are followed.")


def _require_file(url: str, response: httpx.Response) -> None:
    """Refuse an answer that brings no file; what may be different in a moment is worth another attempt."""
    status = response.status_code
    if status in (408, 429) or status >= 500:
        reason = _REASONS.get(status, "server_error")
        raise _AgainError(ItemError(reason, f"{url}: the server answers {status}."), _retry_after(response))
    if status != httpx.codes.OK:
        raise ItemError(_REASONS.get(status, "http_error"), f"{url}: the server answers {status}.")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in _PAGES:
        raise ItemError("wrong_content_type", f"{url}: the server sends {kind}, a page instead of a file.")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ItemError("wrong_content_type", f"{url}: the server sends it packed, although asked not to.")


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait: a number or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return float(max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0))
    except (ValueError, TypeError, OverflowError):
        return None


def _length(response: httpx.Response) -> int | None:
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdigit() else None


def _version(response: httpx.Response) -> str:
    return str(response.headers.get("ETag") or response.headers.get("Last-Modified") or "")[:500]


def _refuse_size(url: str, size: str, max_bytes: int) -> NoReturn:
    raise ItemError("too_large", f"{url}: {size}; limits.max_bytes is {max_bytes:,}.")


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
