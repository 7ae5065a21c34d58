"""From `[alerts]` and the environment to channels, a test message, and no secret anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.alerts import notifiers, open_alarm, secrets
from adapters.alerts.trial import try_channels
from adapters.logs import MACHINE_LOG, PEOPLE_LOG, configure
from core.config import (
    Alerts,
    Config,
    EmailAlerts,
    HedgeGridBot,
    Logs,
    TelegramAlerts,
    WebhookAlerts,
)
from core.errors import ConfigError
from core.readiness import State
from tests.adapters.scripted_server import Reply, serving

TOKEN = "123456:AAH9x7Lw2kQ9Zb3kQ9x7Lw2kQ9Zb3kQ9x7L"
PATH = "/hooks/Zb3kQ9x7Lw2"
BY_WEBHOOK = Alerts(webhook=WebhookAlerts(url_env="URL"), timeout_ms=500)
BY_ALL = Alerts(
    webhook=WebhookAlerts(url_env="URL"),
    telegram=TelegramAlerts(token_env="TOKEN", chat="1"),
    email=EmailAlerts(
        server="mail.example.org",
        sender="a@example.org",
        recipients=("b@example.org",),
        user_env="USER_NAME",
        password_env="PASSWORD",
    ),
)
ENVIRONMENT = {
    "URL": f"https://hooks.example.org{PATH}",
    "TOKEN": TOKEN,
    "USER_NAME": "bulkhead",
    "PASSWORD": "correct horse",
}


def config(alerts: Alerts) -> Config:
    bot = HedgeGridBot(name="grid", symbols=("BTCUSDT",), strategy="hedge_grid")
    return Config(bots=(bot,), alerts=alerts)


def test_every_configured_channel_is_built_and_none_that_is_not():
    assert [one.name for one in notifiers(BY_ALL, ENVIRONMENT)] == ["webhook", "telegram", "email"]
    assert BY_ALL.channels == ("webhook", "telegram", "email")
    assert notifiers(Alerts(), {}) == []
    assert Alerts().channels == ()


def test_every_variable_that_is_missing_or_unusable_is_named_and_its_value_is_not():
    environment = {"URL": "http://example.org/Zb3kQ9x7", "TOKEN": "no token", "PASSWORD": " "}
    with pytest.raises(ConfigError) as caught:
        notifiers(BY_ALL, environment)

    found = {one.where: str(one) for one in (caught.value, *caught.value.others)}
    assert list(found) == [
        "alerts.webhook.url_env",
        "alerts.telegram.token_env",
        "alerts.email.user_env",
        "alerts.email.password_env",
    ]
    assert "https://" in found["alerts.webhook.url_env"]
    assert not [text for text in found.values() if "Zb3kQ9x7" in text or "no token (" in text]


def test_what_is_hidden_is_all_that_gives_a_stranger_the_channel_and_the_host_stays_readable():
    assert [one.reveal() for one in secrets(BY_ALL, ENVIRONMENT)] == [
        TOKEN,
        "correct horse",
        PATH[1:],
    ]
    assert secrets(BY_ALL, {"URL": "nonsense"}) == []


def test_secrets_stand_in_no_log_and_lines_are_told_masked(tmp_path: Path):
    with serving(lambda _: Reply(status=500, body=PATH.encode())) as server:
        environment = {"URL": server.url + PATH}
        log = configure(Logs(level="debug"), tmp_path, console=None)
        alarm = open_alarm(config(BY_WEBHOOK), environment, log.log, log.hide)
        log.listen(alarm.hear)
        log.log("error", "risk", f"it broke at {server.url}{PATH}", symbol="BTCUSDT")
        log.log("warning", "risk", "it hesitates")
        alarm.tell(log.mask(f"the host ends: {PATH}"))
        alarm.close(3.0)
        log.close()

    assert json.loads(server.requests[0].body)["alerts"][0] | {"time": ""} == {
        "time": "",
        "level": "error",
        "host": "host1",
        "actor": "risk",
        "symbol": "BTCUSDT",
        "client_order_id": None,
        "text": f"it broke at {server.url}/***",
        "times": 1,
    }
    assert all(PATH[1:] not in request.body for request in server.requests)
    assert any("the host ends: /***" in request.body for request in server.requests)
    for name in (PEOPLE_LOG, MACHINE_LOG):
        assert PATH[1:] not in (tmp_path / name).read_text()
    assert "webhook: nobody was told: answered HTTP 500" in (tmp_path / PEOPLE_LOG).read_text()


def test_a_line_that_fails_to_be_told_is_logged_and_raises_no_alert(tmp_path: Path):
    """At level warning the failure of the channel is itself grave enough to be one."""
    alerts = Alerts(webhook=WebhookAlerts(url_env="URL"), level="warning", timeout_ms=500)
    with serving(lambda _: Reply(status=503)) as server:
        log = configure(Logs(), tmp_path, console=None)
        alarm = open_alarm(config(alerts), {"URL": server.url + PATH}, log.log, log.hide)
        log.listen(alarm.hear)
        log.log("warning", "risk", "it hesitates")
        alarm.close(1.0)
        log.close()

    texts = {one["text"] for r in server.requests for one in json.loads(r.body)["alerts"]}
    assert texts == {"it hesitates"}
    assert "answered HTTP 503" in (tmp_path / PEOPLE_LOG).read_text()


def test_a_test_message_goes_once_over_each_channel_and_says_how_that_went():
    with serving(lambda _: Reply()) as server:
        [item] = try_channels(config(BY_WEBHOOK), {"URL": server.url + PATH})

    assert (item.name, item.state) == ("alert_webhook", State.OK)
    assert item.figure == "a test message was sent: answered HTTP 200"
    [request] = server.requests
    assert "a test: this channel works" in json.loads(request.body)["text"]


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (Reply(status=403), "nobody was told: answered HTTP 403"),
        (Reply(hang=True), "nobody was told: no answer within 0.5 s"),
    ],
)
def test_a_test_message_that_nobody_takes_is_a_failure(reply: Reply, wanted: str):
    with serving(lambda _: reply) as server:
        [item] = try_channels(config(BY_WEBHOOK), {"URL": server.url + PATH})

    assert (item.state, item.figure) == (State.FAIL, wanted)
    assert PATH[1:] not in str(item)


def test_a_test_message_without_a_channel_is_a_failure_that_says_what_to_configure():
    [item] = try_channels(config(Alerts()), {})

    assert item.state is State.FAIL
    assert "docs/alerts.md" in item.mend


def test_a_channel_that_cannot_be_opened_is_left_to_the_item_that_says_why():
    assert try_channels(config(BY_WEBHOOK), {}) == []
