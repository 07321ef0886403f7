"""Which registries are talked to how: plain http, certificate authorities, client certificates.

Authorities are those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`, or of `REQUESTS_CA_BUNDLE`. For one
registry, `certs.d` folders add to them as for Docker and Podman (containers-certs.d(5)): `HOST[:PORT]/*.crt` are
authorities, `*.cert` with `*.key` the client's certificate.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Iterable
from pathlib import Path

from driftscan.errors import UsageError
from driftscan.image.addresses import Origin
from driftscan.image.paths import home
from driftscan.image.references import registry_of

SYSTEM_FOLDERS = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))
_USER_FOLDERS = (".config/containers/certs.d", ".config/docker/certs.d", ".docker/certs.d")


class Trust:
    """What one image's connections may be. `insecure` are registries (`host:port`) named so by the configuration.

    Threads may share it.
    """

    def __init__(self, insecure: Iterable[str] = ()) -> None:
        listed = os.environ.get("DRIFTSCAN_INSECURE_REGISTRIES", "").split(",")
        self._insecure = {*insecure, *(item.strip().lower() for item in listed)}
        self._contexts: dict[tuple[Path | None, bool], ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def is_insecure(self, origin: Origin) -> bool:
        """Whether the user said that its identity need not be proved."""
        return origin.authority in self._insecure or origin.authority.rpartition(":")[0] in self._insecure

    def may_be_plain(self, origin: Origin) -> bool:
        """Whether plain http is acceptable: on loopback, or where the user said so."""
        return origin.is_loopback or self.is_insecure(origin)

    def context(self, origin: Origin) -> ssl.SSLContext:
        """TLS settings for one origin; UsageError where certificates that the user named cannot be used."""
        key = _folder(origin), self.is_insecure(origin)
        with self._lock:
            if key not in self._contexts:
                self._contexts[key] = _context(*key)
            return self._contexts[key]


def _folder(origin: Origin) -> Path | None:
    """The folder of certificates for this origin: the first that there is, as Podman takes it."""
    names = [*origin.names]
    if (registry := registry_of(origin.host)) is not None:
        names.append(registry)
    for parent in (*(home() / folder for folder in _USER_FOLDERS), *SYSTEM_FOLDERS):
        for name in names:
            try:
                if (parent / name).is_dir():
                    return parent / name
            except OSError:
                # What this user may not look into is not meant for this user.
                continue
    return None


def _context(folder: Path | None, insecure: bool) -> ssl.SSLContext:
    context = _authorities()
    # As Go's verification, and so Docker's and Podman's: any certificate that is trusted ends the chain, and one
    # that leaves out an extension of RFC 5280 is no worse for it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if folder is not None:
        _add(context, folder)
    if insecure:
        from urllib3 import disable_warnings
        from urllib3.exceptions import InsecureRequestWarning

        # The user asked for it, and need not be told with every connection.
        disable_warnings(InsecureRequestWarning)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorities() -> ssl.SSLContext:
    """The default context reads SSL_CERT_FILE and SSL_CERT_DIR by itself, and passes over what cannot be read."""
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if path := os.environ.get(variable):
            try:
                if variable == "SSL_CERT_FILE":
                    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
                    break
                is_folder = Path(path).is_dir()
                return ssl.create_default_context(
                    cafile=None if is_folder else path, capath=path if is_folder else None
                )
            except OSError as error:
                raise _unusable(f"the certificates that {variable} names", path, error) from error
    return ssl.create_default_context()


def _add(context: ssl.SSLContext, folder: Path) -> None:
    """What a folder for one registry adds; a certificate and a key of one name belong together."""
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise _unusable("the registry's certificates", str(folder), error) from error
    for path in files:
        partner = {".cert": path.with_suffix(".key"), ".key": path.with_suffix(".cert")}.get(path.suffix)
        if partner is not None and partner not in files:
            raise UsageError(f"a client certificate needs {partner.name} beside it", where=str(path))
        try:
            if path.suffix == ".crt":
                context.load_verify_locations(path)
            elif path.suffix == ".cert":
                # An empty password: nobody is asked for one on the terminal.
                context.load_cert_chain(path, partner, password="")
        except OSError as error:
            raise _unusable("the registry's certificate", str(path), error) from error


def _unusable(what: str, path: str, error: OSError) -> UsageError:
    return UsageError(f"{what} cannot be used ({error.strerror or error})", where=path)
