"""Where a key may be sent: https, or plain http to this machine."""

import ipaddress
import re
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from qft.errors import QftError

# no user, no query, nothing that two readers of addresses could take for different hosts
_ADDRESS = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")


def check(url: str | None, plain_http: bool) -> None:
    """Raise QftError for an address that is none, or that would carry the key in the open without being told to.

    ``url`` None is the client's own address, which is plain http for keys of the older form.
    """
    if url is None:
        if not plain_http:
            raise QftError(
                "Without backend.url the client may send the key over plain http (to http://pyqanda-admin.qpanda.cn, "
                "for keys of the older form): write backend.url=https://..., or backend.plain_http=true to accept that."
            )
        return
    if not (parts := _ADDRESS.fullmatch(url)):
        raise QftError(f"backend.url={url[:100]!r} is no address: write https://HOST, with a port or path if need be.")
    if parts[1] == "https" or plain_http:
        return
    if not _here(parts[2]):
        raise QftError(
            f"backend.url={url} is plain http, over which everybody on the way reads the key: write https://, or "
            "backend.plain_http=true to accept that."
        )
    if _by_proxy(parts[2]):
        raise QftError(
            f"backend.url={url} is plain http to this machine, but by a proxy (http_proxy in the environment), "
            f"which reads the key: export no_proxy={parts[2]}, or accept it with backend.plain_http=true."
        )


def _by_proxy(host: str) -> bool:
    proxies = getproxies_environment()
    return bool(proxies.get("http") or proxies.get("all")) and not proxy_bypass_environment(host)


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
