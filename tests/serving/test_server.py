"""The server as OpenAI's own client sees it, and as somebody who means no good does."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from program import PATIENCE, qft_here
from talkers import ASKED, DEMO, RUN

from qft.config import ServeConfig
from qft.evaluation.decoding import Decoding
from qft.serving import guard, server
from qft.serving.engine import Engine

GREEDY = Decoding(60, 1)
SECRET = "a-token-of-some-length"
QUESTION = [{"role": "user", "content": ASKED}]


@contextmanager
def running(**options: Any) -> Iterator[server.Server]:
    """A server in a thread, on a free port."""
    started = server.Server(ServeConfig(**{"model": DEMO, "port": 0} | options))
    thread = threading.Thread(target=started.run)
    thread.start()
    try:
        yield started
    finally:
        started.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def served(qwthn: Path, lora: Path) -> Iterator[server.Server]:
    with running(adapters=[str(qwthn), str(lora)], queue=1, max_new_tokens=60) as started:
        yield started


@pytest.fixture(scope="module")
def client(served: server.Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=served.url, api_key="none", max_retries=0)


def expected(engine: Engine, name: str, decoding: Decoding = GREEDY) -> str:
    return engine.answer(name, engine.prompt(name, QUESTION), decoding, lambda _: None, lambda: False).text


def ask(
    served: server.Server, body: Any = None, method: str = "POST", path: str = "/v1/chat/completions", **headers: str
):
    """A request as it is, and status and body of the answer."""
    host, port = served.url.removeprefix("http://").removesuffix("/v1").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, content, {"Content-Type": "application/json"} | named)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    return answer.status, document


def test_every_model_answers_by_its_name(client: openai.OpenAI, engine: Engine) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["qwthn", "lora", "demo"] and client.models.retrieve("lora").id == "lora"
    for name in names:
        whole = client.chat.completions.create(model=name, messages=QUESTION)
        assert whole.choices[0].message.content == expected(engine, name)
        assert whole.choices[0].finish_reason == "stop" and whole.model == name
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 20


def test_a_stream_is_the_same_answer_in_pieces(client: openai.OpenAI, engine: Engine) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(model="qwthn", messages=QUESTION, **options))
    pieces = [c.choices[0].delta.content or "" for c in chunks[:-1]]
    assert len(pieces) > 5 and "".join(pieces) == expected(engine, "qwthn")
    assert chunks[-2].choices[0].finish_reason == "stop" and chunks[-1].usage.completion_tokens > 0
    assert len({c.id for c in chunks}) == 1


def test_what_a_request_says_counts(client: openai.OpenAI, engine: Engine) -> None:
    def said(**options: Any) -> Any:
        return client.chat.completions.create(model="demo", messages=QUESTION, **options).choices[0]

    whole = expected(engine, "demo")
    cut = said(max_tokens=3)
    assert cut.finish_reason == "length" and whole.startswith(cut.message.content) and cut.message.content != whole
    word = whole.split()[4]
    assert said(stop=[f" {word}"]).message.content == whole.partition(f" {word}")[0]
    drawn = expected(engine, "demo", Decoding(20, 1, True, 1.5, 0.9, 7))
    assert said(temperature=1.5, top_p=0.9, seed=7, max_completion_tokens=20).message.content == drawn
    parts = [{"type": "text", "text": ASKED[:9]}, {"type": "text", "text": ASKED[9:]}]
    answer = client.chat.completions.create(model="demo", messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content == whole


VALID = {"model": "demo", "messages": QUESTION}
BAD: list[tuple[int, str, Any]] = [
    (400, "JSON", b"{"),
    (400, "", b"[" * 100_000),
    (400, "", b"\xff\xfe"),
    (400, "", []),
    (400, "messages", {"model": "demo"}),
    (400, "messages", VALID | {"messages": []}),
    (400, "messages", VALID | {"messages": QUESTION * 1001}),
    (400, "role", VALID | {"messages": [{"role": "tool", "content": "x"}]}),
    (400, "content", VALID | {"messages": [{"role": "user", "content": 3}]}),
    (400, "content", VALID | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}),
    (400, "half of a character", b'{"model": "demo", "messages": [{"role": "user", "content": "\\ud800"}]}'),
    (400, "empty", VALID | {"messages": [{"role": "user", "content": " "}]}),
    (400, "tool_calls", VALID | {"messages": [{"role": "assistant", "content": "x", "tool_calls": [1]}]}),
    (400, "tools is not supported", VALID | {"tools": [{"type": "function"}]}),
    (400, "max_tokens", VALID | {"max_tokens": 0}),
    (400, "max_tokens=61 is above", VALID | {"max_tokens": 61}),
    (400, "max_tokens", VALID | {"max_tokens": 10**400}),
    (400, "temperature", VALID | {"temperature": -1}),
    (400, "temperature", b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}'),
    (400, "n:", VALID | {"n": 2}),
    (400, "stop", VALID | {"stop": ["a"] * 5}),
    (400, "stop", VALID | {"stop": ""}),
    (400, "stream", VALID | {"stream": "yes"}),
    (400, "512 with the answer", VALID | {"messages": [{"role": "user", "content": "x " * 600}]}),
    (404, "There is no model 'nope'. Choices: demo, lora, qwthn.", VALID | {"model": "nope"}),
    (404, "\\x1b", VALID | {"model": "\x1b[31m"}),
    (413, "1,000,000 bytes", b" " * 1_000_001),
]


@pytest.mark.parametrize(("status", "says", "body"), BAD, ids=[f"{s}-{k}" for k, (s, _, _) in enumerate(BAD)])
def test_a_bad_request_is_refused_in_their_form(served: server.Server, status: int, says: str, body: Any) -> None:
    answered, document = ask(served, body)
    assert answered == status, document
    error = document["error"]
    assert set(error) == {"message", "type", "param", "code"} and says in error["message"], error
    assert len(error["message"]) < 400 and "Traceback" not in error["message"]


def test_the_clients_own_errors_are_raised(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no model 'nope'"):
        client.chat.completions.create(model="nope", messages=QUESTION)
    with pytest.raises(openai.BadRequestError, match="512 with the answer"):
        client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "x " * 600}])
    with pytest.raises(openai.NotFoundError, match=r"There is no POST /v1/embeddings here"):
        client.embeddings.create(model="demo", input="x")


def test_a_name_that_is_not_ours_is_refused(served: server.Server) -> None:
    refused = [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8000",
        "a b",
        "",
        "evil.example#@localhost",
    ]
    for host in refused:
        status, document = ask(served, VALID, Host=host)
        assert status == 403 and document["error"]["code"] == "host_not_allowed", host
    for host in ("localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8000", "192.168.0.7"):
        assert ask(served, None, "GET", "/v1/models", Host=host)[0] == 200, host


def test_what_a_page_may_send_without_asking_is_refused(served: server.Server) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert ask(served, VALID, Content_Type=kind)[0] == 415
    status, document = ask(served, None, "OPTIONS", Origin="http://evil.example", Access_Control_Request_Method="POST")
    assert status == 405 and "error" in document


def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let every answer wait before each of its tokens until the event that is returned is set."""
    go = threading.Event()
    answer = Engine.answer

    def waiting(self: Engine, name: str, prompt: Any, decoding: Decoding, receive: Any, interrupted: Any, *rest: Any):
        def look() -> bool:
            while not (stopped := interrupted()) and not go.wait(0.02):
                pass
            return stopped

        return answer(self, name, prompt, decoding, receive, look, *rest)

    monkeypatch.setattr(Engine, "answer", waiting)
    return go


def test_more_questions_than_may_wait_are_refused_at_once(
    client: openai.OpenAI, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, answers = slow(monkeypatch), []

    def one() -> None:
        answers.append(client.chat.completions.create(model="demo", messages=QUESTION).choices[0].message.content)

    first = client.chat.completions.create(model="demo", messages=QUESTION, stream=True)
    next(first)
    threads = [threading.Thread(target=one)]
    threads[0].start()
    with pytest.raises(openai.InternalServerError, match="Too many questions are waiting") as refused:
        for _ in range(200):  # until the other one waits
            time.sleep(0.05)
            client.with_options(timeout=PATIENCE).chat.completions.create(
                model="demo", messages=QUESTION, stream=True
            ).close()
    assert refused.value.status_code == 503 and refused.value.response.headers["retry-after"] == "5"
    go.set()
    threads[0].join(PATIENCE)
    rest = "".join(c.choices[0].delta.content or "" for c in first)
    assert [rest, *answers] == [expected(engine, "demo")] * 2


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_its_answer(
    stream: bool, served: server.Server, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch)  # never let go: without the client's leaving this would wait for ever
    if stream:
        answer = client.chat.completions.create(model="demo", messages=QUESTION, stream=True)
        next(answer)
        answer.close()
    else:
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.5).chat.completions.create(model="demo", messages=QUESTION)
    monkeypatch.undo()
    assert client.chat.completions.create(model="demo", messages=QUESTION, max_tokens=2).choices[0].message.content


def test_a_fault_in_one_answer_leaves_the_next_alone(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no more room on the device for my secrets")

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "answer", broken)
        with pytest.raises(openai.InternalServerError, match=r"a fault of the server, not yours \(RuntimeError\)"):
            client.chat.completions.create(model="demo", messages=QUESTION)
        with pytest.raises(openai.APIError, match="a fault of the server"):
            list(client.chat.completions.create(model="demo", messages=QUESTION, stream=True))
    assert "no more room on the device" in caplog.text
    assert client.chat.completions.create(model="demo", messages=QUESTION, max_tokens=1)


def test_texts_are_not_logged(client: openai.OpenAI, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        answer = client.chat.completions.create(model="demo", messages=QUESTION)
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith(("qft", "uvicorn")))
    assert "tokens read" in ours
    assert ASKED not in ours and answer.choices[0].message.content not in ours


def test_a_body_that_does_not_come_is_not_waited_for(served: server.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SECONDS", 0.1)
    host, port = served.url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 10\r\n\r\n{{".encode())
        assert b" 408 " in connection.recv(100)


def test_with_a_token_nobody_is_let_in_without_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("QFT_SERVE_TOKEN", SECRET)
    with caplog.at_level("DEBUG"), running(host="0.0.0.0", hosts=["gpu1.example"]) as served:
        assert served.guarded
        port = served.url.rpartition(":")[2]
        served.url = f"http://127.0.0.1:{port}"
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": SECRET}):
            status, document = ask(served, None, "GET", "/v1/models", **given)
            assert status == 401 and document["error"]["code"] == "invalid_api_key"
        knows = openai.OpenAI(base_url=served.url, api_key=SECRET, default_headers={"Host": "gpu1.example"})
        assert [m.id for m in knows.models.list()] == ["demo"]
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith(("openai", "httpx", "httpcore"))]
    assert not any(SECRET in text for text in ours)


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert qft_here("serve", *words) == 2
    out, error = capfd.readouterr()
    assert not out and error.startswith("qft: ") and error.count("\n") == 1, error
    return error


def test_two_servers_on_one_port(served: server.Server, capfd: pytest.CaptureFixture[str]) -> None:
    port = served.url.rpartition(":")[2].removesuffix("/v1")
    assert f"port={port} is taken by another program" in refused(capfd, f"port={port}")


def test_a_server_without_its_extra(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert "pip install 'qft[serve]'" in refused(capfd)


def test_tokens_and_addresses_that_will_not_do(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QFT_SERVE_TOKEN", "short")
    error = refused(capfd)
    assert "QFT_SERVE_TOKEN needs 16" in error and "short" not in error
    monkeypatch.setenv("QFT_SERVE_TOKEN", SECRET)
    assert "is not an address of this machine" in refused(capfd, "host=no.such.name.invalid")


def test_configs_found_here_open_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    packaged = Path(server.__file__).parents[2] / "configs/serve.yaml"
    for line, other in (("host: 127.0.0.1", "host: 0.0.0.0"), ("hosts: []", "hosts: [evil.example]")):
        (tmp_path / "configs/serve.yaml").write_text(packaged.read_text().replace(line, other))
        assert "counts on the command line only" in refused(capfd)


@pytest.mark.extended
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_program_cleanly_in_the_middle_of_an_answer(number: int, tmp_path: Path) -> None:
    words = ["serve", str(RUN), "port=0", "format=json", "max_new_tokens=400"]
    program = subprocess.Popen(
        [sys.executable, "-m", "qft.cli.main", *words],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    document = "".join(iter(program.stdout.readline, "}\n")) + "}"
    client = openai.OpenAI(base_url=json.loads(document)["url"], api_key="none", max_retries=0)
    stream = client.chat.completions.create(
        model="run", messages=[{"role": "user", "content": "x " * 50}], stream=True, temperature=2, seed=1
    )
    next(stream)
    program.send_signal(number)
    assert list(stream)[-1].choices[0].finish_reason in ("length", "stop")
    out, error = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0 and not out and error.endswith("stopped\n") and "Traceback" not in error
