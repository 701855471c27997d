"""A key goes to safe addresses only, and is taken out of texts however it is echoed."""

import base64
import json

import pytest
import service

from qft.errors import QftError
from qft.quantum.hardware.clients.keys import Scrubber, check_address


def echoes(secret: str) -> list[str]:
    encoded = [base64.b64encode(f"{'x' * k}{secret}{'y' * j}".encode()).decode() for k in range(3) for j in range(3)]
    return [secret, secret.upper(), f"oqcs_auth={secret}&", secret.encode().hex(), *encoded]


@pytest.mark.parametrize("secret", [service.KEY, "a+b/c==%\"\\'<>&" * 2, "0022AhR0cHM6Ly9hLmV4YW1wbGU=" * 8])
def test_the_key_is_found_however_it_is_echoed(secret: str) -> None:
    scrub = Scrubber(secret)
    for text in [*echoes(secret), json.dumps({"m": secret}), f'x{secret[: len(secret) - 3]}"...']:
        shown = scrub(f"before {text} after")
        assert scrub.found_in(text) and "***" in shown
        assert secret[:12].lower() not in shown.lower() and secret[-12:].lower() not in shown.lower()
    assert scrub("a\x1b[31mb\n\u202ec") == r"a\x1b[31mb\n\u202ec" and len(scrub("x" * 999)) == 200


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://service.example", False),
        ("https://service.example:8443/api/v1", False),
        ("http://127.0.0.1:8000", False),
        ("http://127.8.8.8", False),
        ("http://localhost:1", False),
        ("http://[::1]:8000", False),
        ("http://10.0.0.7:8000", True),
        (None, True),
    ],
)
def test_addresses_that_may_have_the_key(url: str | None, plain: bool, monkeypatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    check_address(url, plain)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "http://service.example",
        "http://10.0.0.7",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://127.1",
        "http://0.0.0.0",
        "http://[::ffff:10.0.0.7]",
        "http://2130706433",
    ],
)
def test_plain_http_is_asked_for_by_name(url: str | None) -> None:
    with pytest.raises(QftError, match=r"plain http.*backend\.plain_http=true|is not an address"):
        check_address(url, False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "service.example",
        "ftp://service.example",
        "file:///etc/passwd",
        "HTTPS://service.example",
        "https://",
        "https://user@service.example",
        "https://user:word@service.example",
        "https://service.example?key=1",
        "https://service.example#x",
        "https://service.example\\@other.example",
        "https://service.example/\n",
        " https://service.example",
        "https://service.example:port",
        "https://serv\u0456ce.example",
        "https://service.example:99999999",
    ],
)
def test_what_is_no_address_is_none_whatever_is_allowed(url: str) -> None:
    with pytest.raises(QftError, match="is not an address"):
        check_address(url, True)


def test_a_proxy_is_not_this_machine(monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    with pytest.raises(QftError, match=r"http_proxy.*no_proxy=127\.0\.0\.1"):
        check_address("http://127.0.0.1:8000", False)
    check_address("https://service.example", False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    check_address("http://127.0.0.1:8000", False)
