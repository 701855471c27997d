"""Where a key may be sent: https, or plain http to this machine."""

import ipaddress
import re

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
    if parts[1] == "http" and not plain_http and not _here(parts[2]):
        raise QftError(
            f"backend.url={url} is plain http, over which everybody on the way reads the key: write https://, or "
            "backend.plain_http=true to accept that."
        )


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
