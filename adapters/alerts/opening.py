"""Opens the channels that `[alerts]` configures, with what their environment variables hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adapters.alerts.alarm import ACTOR, Alarm
from adapters.alerts.channel import Channel
from adapters.alerts.mail import Mail
from adapters.alerts.telegram import Telegram, token_problem
from adapters.alerts.webhook import Webhook, secret_part, url_problem
from core.alerts import AlertQueue
from core.config import Config
from core.config_alerts import Alerts
from core.config_rules import together
from core.errors import ConfigError
from core.ports import Log, Notifier
from core.secrets import Secret

__all__ = ["notifiers", "open_alarm", "secrets"]

_NS_S = 1_000_000_000
_GATHER_NS = 500_000_000


def open_alarm(
    config: Config, environment: Mapping[str, str], log: Log, hide: Callable[[Secret], None]
) -> Alarm:
    """Open every configured channel; `hide` keeps secrets out of the log. Errors: `ConfigError`."""
    alerts = config.alerts
    found = notifiers(alerts, environment)
    for secret in secrets(alerts, environment):
        hide(secret)
    channels = []
    for notifier in found:
        queue = AlertQueue(
            int(alerts.repeat_after_s * _NS_S),
            alerts.max_per_minute,
            int(alerts.give_up_after_s * _NS_S),
            _GATHER_NS,
        )
        timeout_s = alerts.timeout_ms / 1000
        channels.append(Channel(notifier, queue, log, ACTOR, timeout_s=timeout_s))
    return Alarm(config.host_name, alerts.level, channels)


def notifiers(alerts: Alerts, environment: Mapping[str, str]) -> list[Notifier]:
    """Build a notifier for each configured channel.

    Errors: `ConfigError`, with all variables that are not set or hold nothing usable.
    """
    timeout_s = alerts.timeout_ms / 1000
    problems: list[ConfigError] = []
    found: list[Notifier] = []

    def value(name: str, where: str, judge: Callable[[str], str] = lambda _: "") -> Secret:
        held = environment.get(name, "").strip()
        wrong = judge(held) if held else "is not set"
        if wrong:
            mend = "set it before the start, in the shell or the service's own file"
            problems.append(ConfigError(f"the environment variable {name} {wrong}", where, mend))
        return Secret(held or "unset")

    if alerts.webhook.url_env:
        url = value(alerts.webhook.url_env, "alerts.webhook.url_env", url_problem)
        found.append(Webhook(url, timeout_s))
    telegram = alerts.telegram
    if telegram.token_env:
        token = value(telegram.token_env, "alerts.telegram.token_env", token_problem)
        found.append(Telegram(token, telegram.chat, timeout_s))
    email = alerts.email
    if email.server:
        login = None
        if email.user_env:
            login = (
                value(email.user_env, "alerts.email.user_env"),
                value(email.password_env, "alerts.email.password_env"),
            )
        found.append(Mail(email, login, timeout_s))
    if problems:
        raise together(problems)
    return found


def secrets(alerts: Alerts, environment: Mapping[str, str]) -> list[Secret]:
    """Return what no line may show of what the environment holds for alerts."""
    found = []
    names = (alerts.telegram.token_env, alerts.email.password_env)
    for name in names:
        held = environment.get(name, "").strip() if name else ""
        if held:
            found.append(Secret(held))
    url = environment.get(alerts.webhook.url_env, "").strip() if alerts.webhook.url_env else ""
    hidden = secret_part(url) if url and not url_problem(url) else None
    return [*found, hidden] if hidden else found
