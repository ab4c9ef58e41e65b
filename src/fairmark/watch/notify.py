"""Tell people of an alarm: by a signed webhook and by e-mail, to addresses of the environment.

A webhook is signed as the Standard Webhooks specification has it (version 1.0.0, "Signature scheme",
symmetric): the headers `webhook-id`, `webhook-timestamp` and `webhook-signature` with `v1,` and the base64
of HMAC-SHA256 over id, timestamp and body joined by dots. The id is the alarm's own, so that a receiver
knows one that comes twice. Neither body nor mail holds anything of a single person.
"""

import base64
import hashlib
import hmac
import json
import os
import smtplib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from http.client import HTTPException
from typing import Self
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from fairmark.errors import StateError, UsageError
from fairmark.watch.alarm import Recorded

PATIENCE_S = 10.0
TRIES = 3
PAUSE_S = 0.5
"""Before the second try; twice as long before each further one."""

WEBHOOK, SECRET = "FAIRMARK_WATCH_WEBHOOK", "FAIRMARK_WATCH_SECRET"
SMTP, MAIL_FROM, MAIL_TO = "FAIRMARK_WATCH_SMTP", "FAIRMARK_WATCH_MAIL_FROM", "FAIRMARK_WATCH_MAIL_TO"
SMTP_USER, SMTP_PASSWORD = "FAIRMARK_WATCH_SMTP_USER", "FAIRMARK_WATCH_SMTP_PASSWORD"


@dataclass(frozen=True)
class Channels:
    """Where alarms are told.

    Parameters
    ----------
    webhook, secret
        An http or https address, and what its messages are signed with; None for no webhook.
    smtp
        `HOST:PORT`; None for no mail.
    sender, to
        Addresses of the mail.
    login
        User and password, or None; then the connection must be encrypted.
    """

    webhook: str | None = None
    secret: bytes | None = None
    smtp: str | None = None
    sender: str = ""
    to: str = ""
    login: tuple[str, str] | None = None

    @classmethod
    def of_environment(cls, values: Mapping[str, str] = os.environ) -> Self:
        """Return the channels that the environment names.

        Raises
        ------
        UsageError
            When one is named by half.
        """
        faults = []
        webhook, secret = values.get(WEBHOOK), values.get(SECRET)
        if webhook is not None and urlsplit(webhook).scheme not in {"http", "https"}:
            faults.append(f"{WEBHOOK}: must be an http or https address, got another")
        if webhook is not None and len((secret or "").encode()) < 16:
            faults.append(f"{SECRET}: must have at least 16 bytes where {WEBHOOK} is set, got fewer")
        smtp, sender, to = (values.get(name) for name in (SMTP, MAIL_FROM, MAIL_TO))
        if smtp is not None and not (sender and to):
            faults.append(f"{MAIL_FROM}, {MAIL_TO}: must be given where {SMTP} is, got nothing")
        user, password = values.get(SMTP_USER), values.get(SMTP_PASSWORD)
        if faults:
            raise UsageError(*faults)
        return cls(
            webhook,
            secret.encode() if secret else None,
            smtp,
            sender or "",
            to or "",
            (user, password) if user and password else None,
        )

    @property
    def names(self) -> list[str]:
        """The channels that there are."""
        return [*(["webhook"] if self.webhook else []), *(["mail"] if self.smtp else [])]

    def tell(self, channel: str, alarm: Recorded, release: str) -> None:
        """Tell an alarm by one channel, in up to `TRIES` tries.

        Raises
        ------
        StateError
            When it could not be told.
        """
        send = self._webhook if channel == "webhook" else self._mail
        for last in range(TRIES):
            try:
                return send(alarm, release)
            except StateError:
                if last == TRIES - 1:
                    raise
                time.sleep(PAUSE_S * 2**last)
        return None

    def _webhook(self, alarm: Recorded, release: str) -> None:
        body = json.dumps(message(alarm, release), sort_keys=True).encode()
        stamp = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "webhook-id": alarm.id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self.secret or b"", alarm.id, stamp, body),
        }
        asked = Request(str(self.webhook), body, headers, method="POST")  # noqa: S310 - http(s), checked above
        try:
            with build_opener(_NoRedirect).open(asked, timeout=PATIENCE_S) as answer:
                if not 200 <= answer.status < 300:
                    raise StateError(f"webhook: must answer 2xx, got {answer.status}")
        except (URLError, HTTPException, OSError) as error:
            if isinstance(error, HTTPError):
                error.close()
            raise StateError(f"webhook: must answer 2xx, got {_reason(error)}") from error

    def _mail(self, alarm: Recorded, release: str) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"] = self.sender, self.to
        mail["Subject"] = f"fairmark watch: {alarm.of} alarm of {release}"
        mail["Message-ID"] = f"<{alarm.id}@fairmark>"
        mail.set_content("\n".join(f"{key}: {value}" for key, value in message(alarm, release).items()))
        host, _, port = str(self.smtp).partition(":")
        try:
            with smtplib.SMTP(host, int(port or 25), timeout=PATIENCE_S) as server:
                if server.ehlo()[0] == 250 and server.has_extn("starttls"):
                    server.starttls(context=ssl.create_default_context())
                    server.ehlo()
                elif self.login is not None:
                    raise StateError(
                        "mail: must encrypt where a password is sent, got a server without STARTTLS"
                    )
                if self.login is not None:
                    server.login(*self.login)
                server.send_message(mail)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise StateError(f"mail: must be taken, got {_reason(error)}") from error


class _NoRedirect(HTTPRedirectHandler):
    """A signed message goes to the address that was named, and to no other."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


def signature(secret: bytes, message_id: str, stamp: str, body: bytes) -> str:
    """Return the value of the header `webhook-signature`."""
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def message(alarm: Recorded, release: str) -> dict[str, object]:
    """Return what is told of an alarm."""
    return {
        "type": "fairmark.watch.alarm",
        "id": alarm.id,
        "release": release,
        "at": alarm.at,
        "of": alarm.of,
        "text": alarm.text,
        "actions": list(alarm.actions),
        "held": dict(alarm.held),
    }


def _reason(error: Exception) -> str:
    # Not the whole text: an address may carry a secret.
    code = getattr(error, "code", None)
    if code is not None:
        return f"{code}"
    inner = getattr(error, "reason", error)
    return getattr(inner, "strerror", None) or type(inner).__name__
