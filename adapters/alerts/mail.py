"""Tells people by e-mail, over a mail server that takes it from us."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from adapters.alerts.wording import subject, words
from core.alerts import Notice
from core.config_alerts import EmailAlerts
from core.errors import NotTold
from core.secrets import Secret

__all__ = ["Mail"]


class Mail:
    """Hand each message to one server for all recipients: encrypted unless it is this machine's.

    A server that does not offer STARTTLS where that is configured is sent nothing.
    """

    name = "email"

    def __init__(
        self, settings: EmailAlerts, login: tuple[Secret, Secret] | None, timeout_s: float
    ) -> None:
        self._settings = settings
        self._login = login
        self._timeout_s = timeout_s

    def send(self, notice: Notice) -> str:
        """Hand over a message. Errors: `NotTold`, without the server's words but its number."""
        try:
            with self._connect() as server:
                if self._login is not None:
                    user, password = self._login
                    server.login(user.reveal(), password.reveal())
                refused = server.send_message(self._written(notice))
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise NotTold(f"no recipient was taken: {codes}") from None
        except smtplib.SMTPResponseException as error:
            name = type(error).__name__
            final = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500
            raise NotTold(f"{name} {error.smtp_code}", final=final) from None
        except ssl.SSLError:
            raise NotTold("no TLS connection: is its certificate valid?") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotTold(f"no connection: {type(error).__name__}") from None
        if refused:
            raise NotTold(f"{len(refused)} recipients were not taken", final=True)
        return f"taken for {len(self._settings.recipients)} recipients"

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        place = (settings.server, settings.port)
        if settings.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(*place, timeout=self._timeout_s, context=context)
        server = smtplib.SMTP(*place, timeout=self._timeout_s)
        if settings.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server

    def _written(self, notice: Notice) -> EmailMessage:
        settings, message = self._settings, EmailMessage()
        message["From"] = settings.sender
        message["To"] = ", ".join(settings.recipients)
        message["Subject"] = subject(notice)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(words(notice) + "\n")
        return message
