"""What a service may answer, through the real client: right, faulty, or saying nothing; never a traceback."""

import copy
import json
import random
from typing import Any

import pytest
import service

from qft.errors import QftError
from qft.quantum.hardware.clients import qcloud_answers
from qft.quantum.hardware.clients.base import Batch, Busy, Faulty, Lost, Program, Refused
from qft.quantum.hardware.clients.qcloud import QCloud
from qft.quantum.hardware.clients.qcloud_answers import read_results, read_status

RESULT = {"key": ["0x0", "0x3"], "value": [60, 40]}
SHARE = {"key": ["0x0", "0x3"], "value": [0.6, 0.4]}
REPLY: dict[str, Any] = {
    "success": True,
    "code": 10000,
    "message": "",
    "obj": {
        "taskId": "T-1",
        "taskState": "3",
        "measureQubitSize": [2, 2],
        "taskResult": [json.dumps(SHARE)] * 2,
        "probCount": [json.dumps(RESULT)] * 2,
    },
}
RIGHT = [{"0": 60, "11": 40}] * 2


def read(raw: str) -> Any:
    """The state, and the counts of a job that has finished, as the poller reads them."""
    status = read_status(raw, "T-1")
    return read_results(raw, "T-1", [2, 2], 100) if status.state == "finished" else status


def altered(*path: Any, to: Any) -> str:
    """The right reply with one value changed; the results, texts in a text, are lists on the way."""
    reply = copy.deepcopy(REPLY)
    *way, last = path
    inner: Any = reply
    for key in way:
        inner = inner[key]
    inner[last] = to
    return json.dumps(reply)


def counts(**changes: Any) -> str:
    return altered("obj", "probCount", to=[json.dumps(RESULT | changes), json.dumps(RESULT)])


def test_right_answers_from_counts_and_from_probabilities() -> None:
    assert read(json.dumps(REPLY)) == RIGHT
    for empty in ([], None, ""):
        assert read(altered("obj", "probCount", to=empty)) == RIGHT
    assert read(altered("obj", "probCount", to=[RESULT, {"key": ["00", "11"], "value": [60.0, 40]}])) == RIGHT
    assert read(altered("obj", "taskState", to=2)).state == "computing"
    failed = read(json.dumps({"success": True, "obj": {"taskId": "T-1", "taskState": "4", "errorMessage": "no"}}))
    assert (failed.state, failed.reason) == ("failed", "no")


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "null",
        "[]",
        "3",
        '"text"',
        "{}",
        "<html><body>Bad Gateway</body></html>",
        json.dumps(REPLY)[:-20],
        "[" * 100_000 + "]" * 100_000,
        '{"obj": ' * 100_000 + "1" + "}" * 100_000,
        "1" * 10_000,
        altered("success", to=False),
        altered("success", to="true"),
        altered("success", to=None),
        altered("obj", to=None),
        altered("obj", to=[]),
        altered("obj", to="T-1"),
        altered("obj", "taskId", to="T-2"),
        altered("obj", "taskId", to=["T-1"]),
        altered("obj", "taskId", to=None),
        altered("obj", "taskState", to="9"),
        altered("obj", "taskState", to={"3": 3}),
        json.dumps(REPLY).replace('"taskId": "T-1", ', ""),
        altered("obj", "probCount", to=[json.dumps(RESULT)]),
        altered("obj", "probCount", to=[json.dumps(RESULT)] * 3),
        altered("obj", "probCount", to={"0": RESULT, "1": RESULT}),
        altered("obj", "probCount", to=7),
        altered("obj", "probCount", to=[None, None]),
        altered("obj", "probCount", to=["[]", "[]"]),
        altered("obj", "probCount", to=["1" * 9999, "x"]),
        counts(value=[60, 41]),
        counts(value=[101, -1]),
        counts(value=[float("nan"), 100]),
        counts(value=[float("inf"), 0]),
        counts(value=[10**400, 40]),
        counts(value=["60", "40"]),
        counts(value=[True, 99]),
        counts(value=[60]),
        counts(value={"0": 60, "1": 40}),
        counts(value="64"),
        counts(key=["0x0", "0x4"]),
        counts(key=["0x0", "0x0"]),
        counts(key=["00", "0x0"]),
        counts(key=["000", "011"]),
        counts(key=["0x0", "0x-3"]),
        counts(key=["0x0", "1_1"]),
        counts(key=["0x0", "٣"]),
        counts(key=["0x0", 3]),
        counts(key=["0x0", "0x" + "f" * 9999]),
        counts(key=["0x0", None]),
    ],
)
def test_faulty_answers(raw: str) -> None:
    with pytest.raises(Faulty) as raised:
        read(raw)
    assert len(str(raised.value)) < 20_000


def test_an_answer_that_is_too_long_is_not_read(monkeypatch) -> None:
    monkeypatch.setattr(qcloud_answers, "LONGEST", 1000)
    with pytest.raises(Faulty, match="characters"):
        read(json.dumps(REPLY) + " " * 1000)


# -- through the client


def answers(number: int, statuses: list[int]) -> list[tuple[str, int, str]]:
    """Bodies (in Latin-1), statuses and content types: a right reply, damaged in many ways."""
    generator = random.Random(7)
    whole = json.dumps(REPLY)
    fixed = [
        ("", 200, "application/json"),
        ("<html>502</html>", 200, "text/html"),
        (whole.replace("T-1", "T-\xe9"), 200, "application/json; charset=latin-1"),
        (altered("message", to="x").replace('"x"', '"\xe9\xff"'), 200, "text/plain"),
        (whole.encode("utf-16").decode("latin-1"), 200, "application/json; charset=utf-16"),
        ("\x00" * 50, 200, "application/octet-stream"),
        (whole.replace("T-1", "T\\ud800"), 200, "application/json"),
        (whole.replace("T-1", "T-1\\u0000x"), 200, "application/json"),
        ("[" * 200_000 + "]" * 200_000, 200, "application/json"),
        ('{"obj":' * 300_000, 200, "application/json"),
        ('{"obj":' * 200_000 + "1" + "}" * 200_000, 200, "application/json"),
        (whole + whole, 200, "application/json"),
    ]
    while len(fixed) < number:
        damaged = bytearray(whole.encode())
        for _ in range(generator.randrange(1, 4)):
            place = generator.randrange(len(damaged))
            match generator.randrange(4):
                case 0:
                    damaged[place] = generator.randrange(256)
                case 1:
                    del damaged[place : place + generator.randrange(1, 40)]
                case 2:
                    damaged[place:place] = generator.choice([b"{", b"[", b'"', b"null", b"1e999", b"\xff\xfe", b"-"])
                case 3:
                    del damaged[place:]
            damaged = damaged or bytearray(b" ")
        fixed.append((damaged.decode("latin-1"), generator.choice(statuses), "application/json"))
    return fixed


def ask_everything(cloud: service.Emulator, number: int, statuses: list[int]) -> None:
    account = QCloud(cloud.url)
    decided = 0
    for body, status, kind in answers(number, statuses):
        fault = {"what": "answer", "body": body, "status": status, "type": kind}
        cloud.set(faults=[fault | {"where": where} for where in ("list", "submit", "detail", "cancel")])
        try:
            seen = account.poll("T-1")
            assert seen.state in qcloud_answers.STATES.values()
            if seen.state == "finished":
                counts = account.fetch("T-1", PROGRAMS)
                assert [abs(sum(c.values()) - 100) <= 2 for c in counts] == [True, True], body
                assert all(set(k) <= {"0", "1"} and len(k) <= 2 for c in counts for k in c)
            decided += 1
        except Faulty as error:
            assert str(error).isprintable() and len(str(error)) <= 200
        try:
            account.check_chip("72")
        except QftError as error:
            assert len(str(error)) < 600
        try:
            assert qcloud_answers.is_task(account.submit(batch(account), "qft-1"))
        except (Lost, Refused) as error:
            assert str(error).isprintable()
        assert account.cancel("T-1") in (True, False)
    assert decided < number / 2


TEXT = "QINIT 2\nCREG 2\nH q[0]\nMEASURE q[0],c[0]\nMEASURE q[1],c[1]\n"
PROGRAMS = [Program(TEXT, "origin_wukong", 100, '{"amend_flag": 0}')] * 2


def batch(account: QCloud) -> Batch:
    return account.prepare(PROGRAMS)


def test_damaged_answers_are_faulty_answers(cloud) -> None:
    ask_everything(cloud, 30, [200])


@pytest.mark.extended
def test_very_many_damaged_answers_are_faulty_answers(cloud) -> None:
    ask_everything(cloud, 2000, [200])
    ask_everything(cloud, 30, [200, 301, 307, 403, 429, 500])  # each asked three times, with pauses, by the client


@pytest.mark.parametrize(
    "status", [301, 302, 307, 408, 409, 410, 421, 423, 424, 425, 429, 451, 499, 500, 502, 503, 504, 520]
)
def test_statuses_that_do_not_prove_a_refusal(cloud, status: int) -> None:
    account = QCloud(cloud.url)
    # also where the text of it speaks of other statuses, as a proxy's page may
    body = "<html>Failed to connect to upstream: QCloud HTTP request failed with status 401: no</html>"
    cloud.set(faults=[{"where": "submit", "what": "answer", "body": body, "status": status}])
    with pytest.raises(Lost):
        account.submit(batch(account), "qft-1")


def test_statuses_that_do(cloud) -> None:
    account = QCloud(cloud.url)
    for status in qcloud_answers.REFUSALS:
        cloud.set(faults=[{"where": "submit", "what": "answer", "body": "no", "status": status}])
        with pytest.raises(Refused) as raised:
            account.submit(batch(account), "qft-1")
        assert not isinstance(raised.value, Busy)
    cloud.set(faults=[{"where": "submit", "what": "429"}])
    with pytest.raises(Busy):
        account.submit(batch(account), "qft-1")
    account = QCloud("http://127.0.0.1:9")
    with pytest.raises(Refused, match=r"connect"):
        account.submit(batch(account), "qft-1")


# -- the key


def test_an_id_that_holds_the_key_is_none(cloud) -> None:
    account = QCloud(cloud.url)
    for task in (service.KEY, f"T{service.KEY.upper()}", "a b", "x" * 500, "\\u001b[2J"):
        body = f'{{"success": true, "obj": {{"taskId": "{task}"}}}}'
        cloud.set(faults=[{"where": "submit", "what": "answer", "body": body}])
        with pytest.raises(Lost) as raised:
            account.submit(batch(account), "qft-1")
        assert service.KEY not in str(raised.value).lower() and str(raised.value).isprintable()


@pytest.mark.parametrize("key", ["with space", "two\nlines", "snow\u2603man", "esc\x1b"])
def test_a_key_that_cannot_be_one(key: str, monkeypatch) -> None:
    monkeypatch.setenv("QFT_QCLOUD_KEY", key)
    with pytest.raises(QftError, match="characters that no key has") as raised:
        QCloud("https://service.example")
    assert key not in str(raised.value)


def test_an_address_does_not_hold_the_key(cloud) -> None:
    with pytest.raises(QftError, match="holds the key") as raised:
        QCloud(f"https://service.example/{service.KEY}")
    assert service.KEY not in str(raised.value)
