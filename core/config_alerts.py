"""The tables `[alerts]` and below of config.toml: how people are told of errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import field, frozen

from core import config_rules as rules
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.config import Config

__all__ = ["Alerts", "EmailAlerts", "TelegramAlerts", "WebhookAlerts", "alert_conflicts"]

_SERIOUS = ("warning", "error", "critical")


@frozen(slots=True, kw_only=True)
class WebhookAlerts:
    """A JSON object is posted to an address, which is a secret."""

    url_env: str = field(default="", validator=rules.environment_name)


@frozen(slots=True, kw_only=True)
class TelegramAlerts:
    """A bot of Telegram writes into a chat."""

    token_env: str = field(default="", validator=rules.environment_name)
    chat: str = field(default="", validator=rules.telegram_chat)


@frozen(slots=True, kw_only=True)
class EmailAlerts:
    """A mail server takes messages for people."""

    server: str = field(default="", validator=rules.mail_server)
    port: int = field(default=587, validator=rules.between(1, 65_535))
    security: str = field(default="starttls", validator=rules.one_of("starttls", "tls", "none"))
    sender: str = field(default="", validator=rules.mail_address)
    recipients: tuple[str, ...] = field(default=(), validator=rules.mail_addresses)
    user_env: str = field(default="", validator=rules.environment_name)
    password_env: str = field(default="", validator=rules.environment_name)


@frozen(slots=True, kw_only=True)
class Alerts:
    """Which lines of the log people are told, how often at most, and over what."""

    level: str = field(default="error", validator=rules.one_of(*_SERIOUS))
    repeat_after_s: float = field(default=300.0, validator=rules.between(1, 86_400))
    max_per_minute: int = field(default=6, validator=rules.between(1, 60))
    give_up_after_s: float = field(default=1800.0, validator=rules.between(1, 86_400))
    timeout_ms: int = field(default=5_000, validator=rules.between(100, 60_000))
    webhook: WebhookAlerts = WebhookAlerts()
    telegram: TelegramAlerts = TelegramAlerts()
    email: EmailAlerts = EmailAlerts()

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the names of the channels that are configured."""
        configured = {
            "webhook": self.webhook.url_env,
            "telegram": self.telegram.token_env,
            "email": self.email.server,
        }
        return tuple(name for name, given in configured.items() if given)


def alert_conflicts(config: Config) -> Iterator[ConfigError]:
    """Return every contradiction between keys of `[alerts]` and what they build on."""
    alerts, email = config.alerts, config.alerts.email
    if alerts.level == "warning" and config.logs.level == "error":
        yield ConfigError(
            "a warning is not even logged at logs.level error",
            "alerts.level",
            'write "error", or logs.level = "warning"',
        )
    yield from _pair(
        "alerts.telegram", token_env=alerts.telegram.token_env, chat=alerts.telegram.chat
    )
    yield from _pair("alerts.email", user_env=email.user_env, password_env=email.password_env)
    needed = {"server": email.server, "sender": email.sender, "recipients": email.recipients}
    if any((*needed.values(), email.user_env)):
        for name, value in needed.items():
            if not value:
                yield ConfigError(
                    "an e-mail needs it",
                    f"alerts.email.{name}",
                    "name it, or leave all of [alerts.email] empty",
                )
    if email.security == "none" and not rules.is_loopback(email.server):
        yield ConfigError(
            "mail and password would travel in the clear",
            "alerts.email.security",
            'write "starttls" or "tls"; "none" is for a server on this machine',
        )


def _pair(path: str, **keys: str) -> Iterator[ConfigError]:
    missing = [name for name, value in keys.items() if not value]
    if len(missing) == 1:
        yield ConfigError("one of a pair", f"{path}.{missing[0]}", "name both or neither")
