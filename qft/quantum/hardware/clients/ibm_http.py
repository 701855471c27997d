"""How requests of qiskit-ibm-runtime reach the network: a submission once, nothing for ever, nowhere else.

The package (0.51) posts a job again after an error of the server, up to five times, and waits for an answer without
end. Its session of ``requests`` gets an adapter of ours instead.
"""

from typing import Any

from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, SSLError
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.retry import Retry

from qft.errors import QftError
from qft.quantum.hardware.clients.base import Busy, Lost, Refused

CONNECT, ANSWER = 10.0, 120.0  # seconds to wait for
REPEATED = (500, 502, 503, 504, 520, 521, 522, 524)  # queries only
# the request itself was turned down; others, such as 408, 409 and 5xx, may come after it was taken
REFUSALS = (400, 401, 402, 403, 404, 405, 406, 411, 413, 414, 415, 422, 431)


class Once(HTTPAdapter):
    """Sends what changes something a single time, and notes what came of it.

    Attributes:
        posts: Submissions that were begun since ``reset``.
    """

    def __init__(self) -> None:
        repeats = Retry(
            total=1, backoff_factor=0.2, status_forcelist=REPEATED, allowed_methods={"GET"}, raise_on_status=False
        )
        super().__init__(max_retries=repeats)
        self.reset()

    def reset(self) -> None:
        """Forget what was sent."""
        self.posts, self._status, self._body, self._unreached = 0, 0, b"", False

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        """As its base class, with time limits. ``request`` is a PreparedRequest."""
        options["timeout"] = (CONNECT, ANSWER)
        if request.method != "POST":
            return super().send(request, *args, **options)
        self.posts += 1
        try:
            response = super().send(request, *args, **options)
        except NoConnection as error:
            self._unreached = _before_sending(error)
            raise
        self._status, self._body = response.status_code, response.content
        return response

    def verdict(self) -> type[Refused | Lost]:
        """What became of a submission that ended in an exception: Refused, Busy or Lost."""
        if self.posts == 0 or (self.posts == 1 and self._unreached):
            return Refused
        if self._status == 429 and b'"errors"' in self._body:  # of the service itself; a proxy may say it later
            return Busy
        return Refused if self._status in REFUSALS else Lost


def _before_sending(error: NoConnection) -> bool:
    """Whether no connection was made."""
    if isinstance(error, (ConnectTimeout, SSLError)):
        return True
    reason = vars(error.args[0]).get("reason") if error.args and isinstance(error.args[0], Exception) else None
    return isinstance(reason, (NewConnectionError, NameResolutionError))


def take_over(service: Any, adapter: Once) -> None:
    """Let all requests of a QiskitRuntimeService go through ``adapter``, and follow no redirects.

    Raises:
        QftError: This version of the package keeps its sessions elsewhere.
    """
    try:
        clients = [service._active_api_client, *service._get_api_clients().values()]
        sessions = [client._session for client in clients]
    except AttributeError as error:
        raise QftError(
            f"qft does not know this version of qiskit-ibm-runtime ({error}) and cannot tell it to send a job only "
            "once: pip install 'qiskit-ibm-runtime==0.51.*'. Nothing was sent."
        ) from None
    for session in sessions:
        session.max_redirects = 0
        for prefix in ("https://", "http://"):
            session.mount(prefix, adapter)
