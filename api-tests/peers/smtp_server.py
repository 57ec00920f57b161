"""A mail server (Python `aiosmtpd`) for clients of this project.

  smtp_server.py --port 0 --print-port [--starttls | --smtps | --inject] [--auth USER:PASSWORD]
                 [--greylist N]

It takes any mail but those from refused@..., which get 550. `--events` prints each as a JSON line: mail
{from, to, tls, user, text}. `--greylist N` answers 451 to the first N. `--inject` speaks by itself:
it offers STARTTLS and sends plain text behind its answer to it, as one in between would.
"""

import asyncio
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

from common import announce, event, server_parser, until_stopped


class Mailbox:
    def __init__(self, args):
        self.args = args
        self.greylist = args.greylist

    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.7.1 not from there"
        if self.greylist > 0:
            self.greylist -= 1
            return "451 4.7.1 come again"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        user = session.auth_data.login.decode() if session.authenticated else ""
        event(
            self.args,
            "mail",
            **{"from": envelope.mail_from},
            to=envelope.rcpt_tos,
            tls=session.ssl is not None,
            user=user,
            text=envelope.original_content.decode("utf-8", "replace"),
        )
        return "250 OK queued"


async def inject(reader, writer):
    writer.write(b"220 injecting\r\n")
    while line := await reader.readline():
        if line.upper().startswith(b"EHLO"):
            writer.write(b"250-injecting\r\n250 STARTTLS\r\n")
        elif line.upper().startswith(b"STARTTLS"):
            writer.write(b"220 go\r\n250-injecting\r\n250 AUTH PLAIN\r\n")
    writer.close()


def make_server(args, context):
    mailbox = Mailbox(args)

    def authenticate(server, session, envelope, mechanism, data):
        known = f"{data.login.decode()}:{data.password.decode()}" == args.auth
        return AuthResult(success=known, handled=False, auth_data=data)

    return lambda: SMTP(
        mailbox,
        hostname="mta.test",
        enable_SMTPUTF8=False,
        tls_context=context if args.starttls else None,
        authenticator=authenticate if args.auth else None,
        auth_require_tls=not args.smtps,
    )


async def run(args):
    context = None
    if args.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
    if args.inject:
        server = await asyncio.start_server(inject, args.host, args.port)
    else:
        server = await asyncio.get_running_loop().create_server(
            make_server(args, context), args.host, args.port, ssl=context if args.smtps else None
        )
    announce(args, server.sockets[0].getsockname()[1])
    await until_stopped(args)


def main():
    parser = server_parser(__doc__)
    parser.add_argument("--starttls", action="store_true", help="offer TLS after the greeting")
    parser.add_argument("--smtps", action="store_true", help="TLS from the start")
    parser.add_argument("--inject", action="store_true", help="slip plain text in before TLS")
    parser.add_argument("--cert", help="the certificate for TLS")
    parser.add_argument("--key", help="its key")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="offer AUTH to this user")
    parser.add_argument("--greylist", type=int, default=0, metavar="N", help="put off the first N")
    warnings.simplefilter("ignore")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
