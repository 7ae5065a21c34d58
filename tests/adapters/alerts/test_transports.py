"""Webhook, Telegram and e-mail against servers on this machine, friendly and hostile."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from adapters.alerts.channel import Channel
from adapters.alerts.mail import Mail
from adapters.alerts.telegram import Telegram, token_problem
from adapters.alerts.webhook import Webhook, secret_part, url_problem
from adapters.alerts.wording import words
from core.config_alerts import EmailAlerts
from core.errors import NotTold
from core.secrets import Secret
from tests.adapters.alerts.samples import alert, notice, queue
from tests.adapters.scripted_server import Reply, ScriptedServer, serving
from tests.adapters.untrusted import untrusted_listener

PATH = "/hooks/Zb3kQ9x7Lw2"
TOKEN = "123456:AAH9x7Lw2kQ9Zb3kQ9x7Lw2kQ9Zb3kQ9x7L"
PASSWORD = "correct horse battery"


def webhook(server: ScriptedServer, timeout_s: float = 5.0) -> Webhook:
    return Webhook(Secret(server.url + PATH), timeout_s)


def failure(send: Callable[[], object]) -> NotTold:
    with pytest.raises(NotTold) as caught:
        send()
    assert caught.value.__cause__ is None, "a cause would be logged, and it quotes the address"
    for secret in (PATH, TOKEN, PASSWORD):
        assert secret not in str(caught.value)
    return caught.value


# Webhook


def test_a_webhook_gets_all_that_an_alert_carries_as_json():
    with serving(lambda _: Reply(status=204, body=b"")) as server:
        assert webhook(server).send(notice("it broke", left_out=3)) == "answered HTTP 204"

    [request] = server.requests
    assert (request.method, request.target) == ("POST", PATH)
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "host": "host1",
        "level": "error",
        "text": "2026-01-02T03:04:05Z host1 error risk [BTCUSDT] [host1-grid-7]: it broke\n"
        "and 3 more, which only the log tells",
        "left_out": 3,
        "alerts": [
            {
                "time": "2026-01-02T03:04:05.678901Z",
                "level": "error",
                "host": "host1",
                "actor": "risk",
                "symbol": "BTCUSDT",
                "client_order_id": "host1-grid-7",
                "text": "it broke",
                "times": 1,
            }
        ],
    }


@pytest.mark.parametrize(
    ("status", "final"), [(500, False), (404, False), (400, True), (413, True)]
)
def test_another_status_is_a_failure_and_only_what_speaks_of_the_message_is_final(
    status: int, final: bool
):
    with serving(lambda _: Reply(status=status, body=b"x" * 1_000_000)) as server:
        error = failure(lambda: webhook(server).send(notice()))

    assert str(error) == f"answered HTTP {status}"
    assert error.final is final


def test_a_redirect_is_not_followed():
    with serving(lambda _: Reply()) as elsewhere:
        to = {"Location": elsewhere.url + PATH}
        with serving(lambda _: Reply(status=307, headers=to)) as server:
            error = failure(lambda: webhook(server).send(notice()))

    assert str(error) == "answered HTTP 307"
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("header", "wanted_s"), [("7", 7), ("soon", 0), ("-3", 0), ("9" * 400, 3600), ("²", 0)]
)
def test_a_pause_that_is_asked_for_is_read(header: str, wanted_s: float):
    reply = Reply(status=429, headers={"Retry-After": header})
    with serving(lambda _: reply) as server:
        assert failure(lambda: webhook(server).send(notice())).retry_after_s == wanted_s


def test_a_server_that_hangs_or_is_not_there_is_a_failure():
    with serving(lambda _: Reply(hang=True)) as server:
        error = failure(lambda: webhook(server, 0.2).send(notice()))
        assert str(error) == "no answer within 0.2 s"

    assert str(failure(lambda: webhook(server).send(notice()))) == "no connection: ConnectionError"


def test_bytes_that_are_no_http_are_a_failure():
    with serving(lambda _: Reply(headers={"Broken\r\n\x00": "x" * 100_000})) as server:
        failure(lambda: webhook(server).send(notice()))


def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path: Path):
    with untrusted_listener(tmp_path) as (port, received):
        webhook = Webhook(Secret(f"https://localhost:{port}{PATH}"), 5.0)
        error = failure(lambda: webhook.send(notice()))
    assert received == []
    assert str(error) == "no TLS connection: is its certificate valid?"

    with untrusted_listener(tmp_path) as (port, received):
        people = {"sender": "a@example.org", "recipients": ("b@example.org",)}
        settings = EmailAlerts(server="localhost", port=port, security="tls", **people)
        error = failure(lambda: Mail(settings, None, 5.0).send(notice()))
    assert received == []
    assert str(error) == "no TLS connection: is its certificate valid?"


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(lambda _: Reply()) as server:
        webhook(server).send(notice())

    assert server.requests


@contextmanager
def dripping() -> Iterator[str]:
    """A server whose answer comes byte by byte, without end."""
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.02):
                connection.sendall(b"x")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_server_that_drips_is_given_up_in_time():
    said: list[str] = []
    told = threading.Event()

    def log(level: str, actor: str, text: str, **_: Any) -> None:
        said.append(text)
        told.set()

    with dripping() as url:
        notifier = Webhook(Secret(url + PATH), 0.3)
        channel = Channel(notifier, queue(), log, "alerts", timeout_s=0.3)
        channel.hear(alert())
        assert told.wait(5)
        channel.close(time.monotonic() + 0.5)
        channel.join()
        assert not channel._thread.is_alive()
    assert said[0].startswith("webhook: nobody was told: no answer within 0.3")


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://hooks.example.org/services/T0/B0/xyz", ""),
        ("http://127.0.0.1:8080/x", ""),
        ("http://localhost/x", ""),
        ("http://[::1]:9/x", ""),
        ("http://example.org/x", "https"),
        ("http://127.0.0.1.example.org/x", "https"),
        ("ftp://example.org/x", "https"),
        ("https://me:secret@example.org/x", "password"),
        ("https:///x", "no address"),
        ("https://exa mple.org/x", "no address"),
        ("https://example.org:99999/x", "no address"),
        ("https://[::1/x", "no address"),
        ("hooks.example.org/x", "no address"),
    ],
)
def test_an_address_needs_tls_unless_it_is_this_machine(url: str, wrong: str):
    assert (wrong in url_problem(url)) if wrong else not url_problem(url)


def test_of_an_address_all_behind_the_host_is_secret():
    found = secret_part("https://hooks.example.org/services/T0/B0?token=xyz")
    assert found is not None and found.reveal() == "services/T0/B0?token=xyz"
    assert secret_part("http://127.0.0.1:9/x") is None


# Telegram


def telegram(server: ScriptedServer) -> Telegram:
    return Telegram(Secret(TOKEN), "-100123", 5.0, api=server.url)


def test_a_bot_writes_plain_text_into_the_chat():
    with serving(lambda _: Reply(body=b'{"ok":true}')) as server:
        telegram(server).send(notice("it <broke> *badly*"))

    [request] = server.requests
    assert request.target == f"/bot{TOKEN}/sendMessage"
    body = json.loads(request.body)
    assert body["chat_id"] == "-100123"
    assert "parse_mode" not in body
    assert body["text"].endswith("risk [BTCUSDT] [host1-grid-7]: it <broke> *badly*")


def test_telegrams_own_words_and_pause_are_told_and_never_the_token():
    said = {"ok": False, "description": f"Too Many {TOKEN}", "parameters": {"retry_after": 35}}
    with serving(lambda _: Reply(status=429, body=json.dumps(said).encode())) as server:
        error = failure(lambda: telegram(server).send(notice()))

    assert str(error) == "answered HTTP 429: Too Many ***"
    assert error.retry_after_s == 35


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"description": 1, "parameters": []}', b"[" * 5_000, b"\xff\xfe"],
)
def test_an_answer_that_is_not_telegrams_is_a_failure_like_any_other(body: bytes):
    with serving(lambda _: Reply(status=502, body=body)) as server:
        assert str(failure(lambda: telegram(server).send(notice()))).startswith("answered HTTP 502")


def test_a_long_message_is_cut_to_what_a_chat_takes_and_says_so():
    texts = [f"{name} {'ä' * 480}" for name in "abcdefghijklmnopqrstuvwxyz"]
    with serving(lambda _: Reply()) as server:
        telegram(server).send(notice(*texts))

    text = json.loads(server.requests[0].body)["text"]
    assert len(text.encode("utf-16-le")) <= 2 * 4_096
    shown = text.count("host1 error")
    assert shown > 4
    assert text.endswith(f"and {26 - shown} more, which only the log tells")


@pytest.mark.parametrize("token", ["", "x", "1:short", "123456:../../other", TOKEN + "/"])
def test_what_is_no_token_is_refused(token: str):
    assert not token_problem(TOKEN)
    assert token_problem(token)


# E-mail


class MailServer:
    """Speaks enough SMTP for one message after the other; keeps commands and messages."""

    def __init__(self, answers: dict[str, str], offers: Sequence[str]) -> None:
        self.answers = answers
        self.offers = offers
        self.commands: list[str] = []
        self.messages: list[EmailMessage] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, connection.makefile("rwb") as stream:
                    self._serve(stream)

    def _serve(self, stream: Any) -> None:
        def say(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        say("220 here")
        for line in iter(stream.readline, b""):
            command = line.decode("latin-1").strip()
            self.commands.append(command)
            verb = command.split(" ")[0].upper()
            if verb in self.answers:
                say(self.answers[verb])
            elif verb == "EHLO":
                say("\r\n".join([f"250-{one}" for one in ("here", *self.offers)] + ["250 HELP"]))
            elif verb == "AUTH":
                say("235 yes")
            elif verb == "DATA":
                say("354 go on")
                lines = iter(stream.readline, b".\r\n")
                self.messages.append(
                    email.message_from_bytes(b"".join(lines), policy=email.policy.default)  # type: ignore[arg-type]
                )
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


@contextmanager
def mail_server(*offers: str, **answers: str) -> Iterator[MailServer]:
    server = MailServer(answers, offers)
    try:
        yield server
    finally:
        server.close()


def mail(server: MailServer, *, login: bool = False, **changes: Any) -> Mail:
    fields = {"security": "none", "recipients": ("you@example.org", "me@example.org")} | changes
    settings = EmailAlerts(
        server="127.0.0.1", port=server.port, sender="host@example.org", **fields
    )
    pair = (Secret("user"), Secret(PASSWORD)) if login else None
    return Mail(settings, pair, 5.0)


def test_a_message_is_handed_over_for_every_recipient():
    with mail_server("AUTH PLAIN") as server:
        answer = mail(server, login=True).send(notice("it broke", "then this"))

    assert answer == "taken for 2 recipients"
    assert [one for one in server.commands if one.startswith("rcpt")] == [
        "rcpt TO:<you@example.org>",
        "rcpt TO:<me@example.org>",
    ]
    [message] = server.messages
    assert message["From"] == "host@example.org"
    assert message["Subject"] == "[host1] error: it broke (+1)"
    assert message.get_content().splitlines() == words(notice("it broke", "then this")).splitlines()


def test_words_of_strangers_put_no_header_into_a_message():
    with mail_server() as server:
        mail(server).send(notice("it broke\r\nBcc: all@example.org\r\n.\r\nMAIL FROM:<x@y.z>"))

    [message] = server.messages
    assert message["Bcc"] is None
    assert "all@example.org" not in [one for one in server.commands if one.startswith("rcpt")]
    assert len(message.get_content().splitlines()) == 1


def test_nothing_leaves_in_the_clear_where_encryption_is_configured():
    with mail_server("AUTH PLAIN") as server:
        error = failure(lambda: mail(server, login=True, security="starttls").send(notice()))
        assert str(error) == "no connection: SMTPNotSupportedError"
        failure(lambda: mail(server, login=True, security="tls").send(notice()))

    said = " ".join(server.commands).upper()
    assert "AUTH" not in said and "DATA" not in said


@pytest.mark.parametrize(
    ("verb", "answer", "wanted", "final"),
    [
        ("AUTH", f"535 {PASSWORD}", "SMTPAuthenticationError 535", False),
        ("MAIL", "451 later", "SMTPSenderRefused 451", False),
        ("RCPT", "550 unknown", "no recipient was taken: [550]", False),
        ("DATA", "552 too large", "SMTPDataError 552", True),
    ],
)
def test_a_refusal_is_told_by_its_number_alone(verb: str, answer: str, wanted: str, final: bool):
    with mail_server("AUTH PLAIN", **{verb: answer}) as server:
        error = failure(lambda: mail(server, login=True).send(notice()))

    assert (str(error), error.final) == (wanted, final)


def test_a_server_that_is_not_there_is_a_failure():
    with mail_server() as server:
        pass
    assert str(failure(lambda: mail(server).send(notice()))).startswith("no connection")
