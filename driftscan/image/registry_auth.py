"""Authentication at a registry: challenges (RFC 9110 11), basic credentials, and tokens (distribution `auth/token`).

Credentials go to the registry's own origin, and to a token server of the same origin, of a host that is known to
serve this registry, or of one that `DRIFTSCAN_TOKEN_HOSTS` lists. Any other token server is asked anonymously.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from driftscan.errors import ImageError, NotFoundError
from driftscan.image.addresses import Origin, origin_of, refuse_inner
from driftscan.image.credentials import Credentials, Lookup
from driftscan.image.limits import Limits
from driftscan.image.patience import Effort
from driftscan.image.references import ImageName, token_host
from driftscan.image.strictjson import load_object, text
from driftscan.image.transport import Answer, Transport

_LONGEST_HEADER = 8192
_LONGEST_TOKEN = 32768
_HTTPS = 443
_SCHEME = re.compile(r"[\s,]*([A-Za-z][A-Za-z0-9-]*)(?=\s|,|$)")
_PARAMETER = re.compile(r'[\s,]*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Challenge(NamedTuple):
    """One challenge of a WWW-Authenticate header: lower-case scheme, parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges that can be made out; what is malformed ends the list."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    header = header[:_LONGEST_HEADER]
    while position < len(header):
        if found and (parameter := _PARAMETER.match(header, position)):
            name, quoted, plain = parameter.groups()
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            found[-1][1].setdefault(name.lower(), value)
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            found.append((scheme[1].lower(), {}))
            position = scheme.end()
        else:
            break
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


class Authorizer:
    """The Authorization header for one repository, made when the registry asks for one. Threads may share it."""

    def __init__(
        self, name: ImageName, origin: Origin, transport: Transport, find: Callable[[], Lookup], limits: Limits
    ) -> None:
        self.header: str | None = None
        self._name = name
        self._origin = origin
        self._transport = transport
        self._find = find
        self._limits = limits
        self._found: Lookup | None = None
        self._lock = threading.Lock()

    def renew(self, answer: Answer, used: str | None) -> str | None:
        """A header that meets the challenge of a 401, or None where there is none; `used` is the one that failed."""
        with self._lock:
            if self.header != used:
                # Another thread was asked for the same.
                return self.header
            challenges = parse_challenges(", ".join(answer.response.headers.getlist("WWW-Authenticate")))
            self.header = self._meet({challenge.scheme: challenge for challenge in reversed(challenges)})
            return self.header

    @property
    def refusal(self) -> NotFoundError:
        """The error for a registry that refuses access all the same."""
        found = self._found or Lookup()
        hint = f"log in (docker login {self._name.registry}), and check the image's name"
        if found.problem:
            hint = f"credentials could not be read: {found.problem}"
        having = "with the credentials of this machine" if found.credentials else "without credentials"
        return NotFoundError(
            f"the registry does not give access {having}, or has no such image", where=str(self._name), hint=hint
        )

    def _meet(self, challenges: Mapping[str, Challenge]) -> str | None:
        if self._found is None:
            self._found = self._find()
        credentials = self._found.credentials
        if "bearer" in challenges:
            return f"Bearer {self._token(challenges['bearer'].parameters, credentials)}"
        if "basic" in challenges and credentials is not None and credentials.username:
            return _basic(credentials)
        return None

    def _token(self, parameters: Mapping[str, str], credentials: Credentials | None) -> str:
        realm = parameters.get("realm", "")
        self._check_realm(realm, secret=credentials is not None)
        # The scope is what is needed here, whatever the registry suggests.
        query = {"service": parameters.get("service", ""), "scope": f"repository:{self._name.repository}:pull"}
        if credentials is not None and credentials.identity_token is not None:
            form = {
                "grant_type": "refresh_token",
                "client_id": "driftscan",
                "refresh_token": credentials.identity_token,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._ask(realm, headers, urlencode(query | form).encode())
        headers = {"Authorization": _basic(credentials)} if credentials is not None else {}
        mark = "&" if urlsplit(realm).query else "?"
        return self._ask(f"{realm}{mark}{urlencode(query)}", headers, None)

    def _check_realm(self, realm: str, *, secret: bool) -> None:
        origin = origin_of(realm)
        may_be_plain = self._origin.scheme == "http" and self._transport.trust.may_be_plain(origin)
        if origin.scheme != "https" and not may_be_plain:
            raise ImageError(f"the registry's token server {origin} is not encrypted", where=str(self._name))
        if origin == self._origin:
            return
        refuse_inner(origin, self._origin)
        allowed = {item.strip() for item in os.environ.get("DRIFTSCAN_TOKEN_HOSTS", "").split(",")}
        if self._origin.scheme == "https" and origin.scheme == "https" and origin.port == _HTTPS:
            allowed.add(token_host(self._name.api_host) or "")
        if secret and not {origin.host, origin.authority} & allowed:
            raise ImageError(
                f"the registry wants its credentials sent to another host, {origin.authority}",
                where=str(self._name),
                hint=f"if that is its token server, set DRIFTSCAN_TOKEN_HOSTS={origin.host}",
            )

    def _ask(self, url: str, headers: Mapping[str, str], form: bytes | None) -> str:
        """A token; credentials in `headers` or the form are not sent on where the server redirects."""
        where = str(origin_of(url))

        def ask(effort: Effort) -> tuple[int, bytes]:
            with self._transport.request("GET" if form is None else "POST", url, headers, effort, form) as answer:
                return answer.status, answer.read(self._limits.document + 1)

        status, data = self._transport.repeat(ask)
        if status in (400, 401, 403):
            raise self.refusal
        if status != 200:
            raise ImageError(f"the registry's token server answered {status}", where=where)
        document = load_object(data, "the token server's answer", self._limits)
        token = text(document, "token", "the token server's answer", "")
        token = token or text(document, "access_token", "the token server's answer", "")
        if not _TOKEN.fullmatch(token) or len(token) > _LONGEST_TOKEN:
            raise ImageError("the registry's token server gave no usable token", where=where)
        return token


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
