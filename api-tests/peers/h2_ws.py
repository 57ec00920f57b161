"""WebSockets on the streams of an `h2_client.py` connection (RFC 8441), by the packages wsproto and h2."""

from collections import deque

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from common import check, equal, short


class Socket:
    """One, on a stream."""

    def __init__(self, deflate):
        self.extension = PerMessageDeflate() if deflate else None
        self.frames = None  # once it is accepted
        self.out = b""
        self.wanted, self.parts = deque(), []
        self.pongs, self.read, self.close_code = 0, 0, None


class WebSockets:
    """All those of a connection; each must echo."""

    def __init__(self, client, subprotocol=None):
        self.client, self.subprotocol, self.sockets = client, subprotocol, {}

    def open(self, deflate=False):
        socket = Socket(deflate)
        more = [(":protocol", "websocket"), ("sec-websocket-version", "13"), ("origin", "https://localhost")]
        if self.subprotocol:
            more.append(("sec-websocket-protocol", self.subprotocol))
        if deflate:
            offer = socket.extension.offer()
            more.append(("sec-websocket-extensions", f"permessage-deflate; {offer}" if isinstance(offer, str) else "permessage-deflate"))
        # pseudo-header fields come first
        number = self.client.open(*more, method="CONNECT", end=False)
        self.sockets[number] = socket
        return number

    def check_accepted(self, number):
        socket, stream = self.sockets[number], self.client.streams[number]
        equal("status of a WebSocket", stream.status(), 200)
        for name in (b"connection", b"upgrade", b"sec-websocket-accept", b"content-length"):
            check(name not in stream.fields, f"{name.decode()} in an answer by HTTP/2")
        got = stream.fields.get(b"sec-websocket-protocol")
        equal("subprotocol", got and got.decode(), self.subprotocol)
        agreed = stream.fields.get(b"sec-websocket-extensions", b"").decode()
        extensions = []
        if agreed:
            check(socket.extension, f"extensions that weren't offered: {agreed}")
            socket.extension.finalize(agreed)
            extensions.append(socket.extension)
        socket.frames = Connection(ConnectionType.CLIENT, extensions)

    def push(self):
        """Sends what the windows let through, and takes what has come."""
        conn = self.client.conn
        for number, socket in self.sockets.items():
            stream = self.client.streams[number]
            while socket.out and stream.reset is None and not stream.ended:
                room = min(conn.local_flow_control_window(number), conn.max_outbound_frame_size)
                if room <= 0:
                    break
                conn.send_data(number, socket.out[:room])
                socket.out = socket.out[room:]
            if socket.frames and len(stream.body) > socket.read:
                socket.frames.receive_data(bytes(stream.body[socket.read :]))
                socket.read = len(stream.body)
                for event in socket.frames.events():
                    self.take(number, socket, event)
        self.client.flush()

    def take(self, number, socket, event):
        if isinstance(event, (TextMessage, BytesMessage)):
            socket.parts.append(event.data)
            if event.message_finished:
                empty = "" if isinstance(event, TextMessage) else b""
                message, socket.parts = empty.join(socket.parts), []
                check(socket.wanted, f"a message that nobody sent on stream {number}: {short(message)}")
                want = socket.wanted.popleft()
                check(message == want, f"stream {number}: {short(message)} came back for {short(want)}")
        elif isinstance(event, Pong):
            socket.pongs += 1
        elif isinstance(event, Ping):
            socket.out += socket.frames.send(event.response())
        elif isinstance(event, CloseConnection):
            socket.close_code = event.code

    def send(self, number, message):
        socket = self.sockets[number]
        kind = TextMessage if isinstance(message, str) else BytesMessage
        # in two frames, if there is enough for that
        half = len(message) // 2
        if half:
            socket.out += socket.frames.send(kind(data=message[:half], message_finished=False))
        socket.out += socket.frames.send(kind(data=message[half:]))
        socket.wanted.append(message)

    def ping(self, number, payload):
        self.sockets[number].out += self.sockets[number].frames.send(Ping(payload=payload))

    def close(self, number, code):
        self.sockets[number].out += self.sockets[number].frames.send(CloseConnection(code=code))

    def until(self, what, condition):
        def progress():
            self.push()
            return condition()

        self.client.until(what, progress)

    def until_echoed(self):
        self.until("all echoes", lambda: not any(socket.wanted for socket in self.sockets.values()))

    def until_ponged(self):
        self.until("all pongs", lambda: all(socket.pongs for socket in self.sockets.values()))

    def until_closed(self, numbers):
        self.until("all ends", lambda: self.client.all_ended(numbers))
        for number in numbers:
            equal("close code", self.sockets[number].close_code, 1000)
