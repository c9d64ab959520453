"""E-mail: how a notice is handed in, and what the server's answer means."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import localtime, parseaddr
from uuid import UUID

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from app.core.settings import MailServer, Settings, parse_mail_server
from app.delivery.notices.rows import SENT, Outcome
from app.delivery.notices.words import Words

STEP_SECONDS = 10.0
"""How long each step of the conversation with the server may take."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A notice that is ready to be handed in."""

    to: str
    words: Words
    language: str
    notice_id: UUID


class Post:
    """Where this installation hands mail in."""

    def __init__(self, server: MailServer, sender: str) -> None:
        self._server = server
        self._sender = sender
        # Made once: reading the system's certificates takes longer than a whole mail.
        self._tls = ssl.create_default_context()

    @classmethod
    def of(cls, settings: Settings) -> "Post | None":
        """The one that the settings name, None where e-mail is off."""
        if settings.smtp_url is None or settings.mail_from is None:
            return None
        return cls(parse_mail_server(settings.smtp_url.get_secret_value()), settings.mail_from)

    def message(self, mail: Mail) -> EmailMessage:
        """The mail as it is sent. Its id is the notice's: a mailbox that gets it twice can tell."""
        domain = parseaddr(self._sender)[1].rpartition("@")[2]
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.to
        message["Subject"] = mail.words.title
        message["Date"] = localtime()
        message["Message-ID"] = f"<{mail.notice_id}@{domain}>"
        # RFC 3834: nobody's holiday greeting answers it.
        message["Auto-Submitted"] = "auto-generated"
        text = f"{mail.words.body}\n\n{mail.words.url}\n\n-- \n{mail.words.footer}\n"
        message.set_content(text, cte="quoted-printable")
        message["Content-Language"] = mail.language
        return message

    async def send(self, mail: Mail) -> Outcome:
        """Hand it in. What the server answers decides whether it is tried again (RFC 5321, 4.2.1)."""
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            timeout=STEP_SECONDS,
            use_tls=server.implicit,
            # None: if it is offered. Anywhere else nothing is said, least of all a password, before TLS holds.
            start_tls=False if server.implicit else None if server.here else True,
            tls_context=self._tls,
        )
        try:
            await client.connect()
            await client.send_message(self.message(mail))
        except (SMTPException, OSError, ValueError) as error:
            return judged(error)
        finally:
            # It has been taken by now, or not: how the connection ends changes nothing.
            with suppress(SMTPException, OSError):
                if client.is_connected:
                    await client.quit(timeout=1.0)
            client.close()
        return SENT


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (SMTPRecipientsRefused, "address_refused"),
    # Ours to mend, both, and then the mail can go.
    (SMTPAuthenticationError, "login_refused"),
    (SMTPSenderRefused, "sender_refused"),
    (SMTPTimeoutError, "timeout"),
    (SMTPServerDisconnected, "connection"),
    (SMTPConnectError, "connection"),
    (SMTPResponseException, "refused"),
    # No STARTTLS where there must be, or no way to write such an address.
    (SMTPException, "not_supported"),
    (OSError, "connection"),
)
"""What an error is called, the first that fits. The server's own words may hold an address, and are kept nowhere."""


def judged(error: Exception) -> Outcome:
    """What an error means for the mail: one that the server refuses for good is not tried again."""
    word = next((word for kind, word in _WORDS if isinstance(error, kind)), "malformed")
    if isinstance(error, SMTPRecipientsRefused):
        return Outcome(word, final=all(each.code >= 500 for each in error.recipients))
    refused = word == "refused" and isinstance(error, SMTPResponseException) and error.code >= 500
    return Outcome(word, final=refused or word == "malformed")
