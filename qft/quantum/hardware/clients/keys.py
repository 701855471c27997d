"""What keeps a key secret: the addresses it may be sent to, and how it is taken out of texts.

It goes over https, or over plain http to this machine; anything else the user has to ask for.
"""

import base64
import ipaddress
import json
import re
from urllib.parse import quote
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from qft.errors import QftError
from qft.names import visible

# no user, no query, nothing that two readers of addresses could take for different hosts
_ADDRESS = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")


def check_address(url: str | None, plain_http: bool) -> None:
    """Check that the key may be sent to ``url``.

    Args:
        url: The address; None is that of the vendor's own client, which is plain http for keys of the older form.
        plain_http: The user accepts that the key is sent unencrypted.

    Raises:
        QftError: It is not an address, or the key would travel unencrypted without ``plain_http``.
    """
    if url is None:
        if not plain_http:
            raise QftError(
                "Without backend.url the client may send the key over plain http (to http://pyqanda-admin.qpanda.cn, "
                "for keys of the older form): write backend.url=https://..., or backend.plain_http=true to accept that."
            )
        return
    if not (parts := _ADDRESS.fullmatch(url)):
        raise QftError(
            f"backend.url={url[:100]!r} is not an address: write https://HOST, with port or path if need be."
        )
    if parts[1] == "https" or plain_http:
        return
    if not _is_this_machine(parts[2]):
        raise QftError(
            f"backend.url={url} is plain http, which lets anybody on the way read the key: write https://, or "
            "backend.plain_http=true to accept that."
        )
    if _through_proxy(parts[2]):
        raise QftError(
            f"backend.url={url} is plain http to this machine, but through a proxy (http_proxy in the environment), "
            f"which reads the key: export no_proxy={parts[2]}, or accept it with backend.plain_http=true."
        )


def _through_proxy(host: str) -> bool:
    proxies = getproxies_environment()
    return bool(proxies.get("http") or proxies.get("all")) and not proxy_bypass_environment(host)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Scrubber:
    """Takes a secret, in every form it is likely to be echoed in, and control characters out of texts."""

    def __init__(self, secret: str) -> None:
        forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], secret.encode().hex()}
        # base64 of a text that holds the secret depends on where in it the secret starts; the middle is the same
        forms |= {base64.b64encode(b"x" * k + secret.encode()).decode()[4 if k else 0 : -4] for k in range(3)}
        patterns = [re.escape(f) for f in sorted(forms, key=len, reverse=True) if len(f) > 3]
        if len(secret) >= 16:  # cut off: the client shortens what it quotes
            patterns.append(re.escape(secret[:8]) + r"[^\s\"']*")
        self._forms = re.compile("|".join(patterns), re.IGNORECASE)

    def __call__(self, text: object) -> str:
        """At most 200 characters of it, on one line."""
        return visible(self._forms.sub("***", str(text)))[:200]

    def found_in(self, text: str) -> bool:
        """Whether the secret is in a text."""
        return self._forms.search(text) is not None
