"""A TLS client with every byte on the wire in our hands: Python `ssl` over memory, and a socket.

It has `sendall` and `recv` like a socket, so that whatever reads replies off a socket reads them
off this.
"""

import socket
import ssl

from common import Failure, check

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
FATAL = 2
# RFC 8446 section 6
UNEXPECTED_MESSAGE, RECORD_OVERFLOW, HANDSHAKE_FAILURE = 10, 22, 40
DECODE_ERROR, PROTOCOL_VERSION, NO_APPLICATION_PROTOCOL = 50, 70, 120
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def context(cacert, version=None, alpn=("http/1.1",)):
    """A client's context that trusts the certificates in `cacert`; `version` is "1.2" or "1.3"."""
    made = ssl.create_default_context(cafile=cacert)
    if version:
        made.minimum_version = made.maximum_version = VERSIONS[version]
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


def record(kind, payload):
    """A TLS record whose length is that of its payload."""
    return bytes((kind, 3, 3)) + len(payload).to_bytes(2) + payload


def plain_alerts(data):
    """The unencrypted alerts (level, description) among the records in `data`."""
    found = []
    while len(data) >= 5:
        length = int.from_bytes(data[3:5])
        payload, kind, data = data[5 : 5 + length], data[0], data[5 + length :]
        if kind == ALERT and length == 2:
            found.append((payload[0], payload[1]))
    return found


def until_end(sock):
    """All that a socket still brings; a reset is an end too."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    except TimeoutError as late:
        raise Failure("the server leaves the connection open") from late
    return data


class Peer:
    """One connection. Nothing is sent before it is asked for."""

    def __init__(self, address, made, name="localhost", timeout=20):
        self.sock = socket.create_connection(address, timeout=timeout)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = made.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def hello(self):
        """The first flight, which the caller sends."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return self.outgoing.read()
        raise Failure("a handshake without a server")

    def sealed(self, plain):
        """`plain` as it would go on the wire, which the caller sends."""
        self.tls.write(plain)
        return self.outgoing.read()

    def step(self, function, *arguments):
        """Runs a function of `ssl` for as long as it wants bytes, and sends what it has to send."""
        while True:
            try:
                return function(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                try:
                    data = self.sock.recv(65536)
                except ConnectionResetError:
                    data = b""
                self.incoming.write(data) if data else self.incoming.write_eof()
            finally:
                self.flush()

    def flush(self):
        if data := self.outgoing.read():
            self.sock.sendall(data)

    def handshake(self):
        self.step(self.tls.do_handshake)
        return self

    def sendall(self, plain):
        self.step(self.tls.write, plain)

    def recv(self, most):
        """b"" is the server's close_notify; an end without one is an `ssl.SSLEOFError`."""
        try:
            return self.step(self.tls.read, most)
        except ssl.SSLZeroReturnError:
            return b""

    def close_notify(self):
        """Sends ours without waiting for the server's."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def refusal(self):
        """The alert that ends the connection, in the words of OpenSSL."""
        try:
            while self.recv(65536):
                pass
        except ssl.SSLEOFError:
            return "an end without an alert"
        except ssl.SSLError as error:
            return error.reason
        check(not until_end(self.sock), "bytes after close_notify")
        return "close_notify"
