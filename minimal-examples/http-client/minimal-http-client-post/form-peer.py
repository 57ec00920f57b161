"""A server that prints the forms that are posted to it, for selftest.sh.

form-peer.py [CERTIFICATE KEY]: with these files in PEM by https, else by http.
"""

import email
import http.server
import ssl
import sys
import urllib.parse


class Forms(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        kind = self.headers["content-type"]
        if kind.startswith("multipart/form-data"):
            message = email.message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
            fields = [self.field(part) for part in message.get_payload()]
        else:
            fields = [(*pair, "") for pair in urllib.parse.parse_qsl(body.decode(), strict_parsing=True)]
        texts = sorted(f"{name}={value!r}{file}" for name, value, file in fields)
        # one write: a thread for each connection prints here
        sys.stdout.write(" ".join([self.path, *texts]) + "\n")
        sys.stdout.flush()
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"OK\n")

    @staticmethod
    def field(part):
        """Name, value, and the file's name in brackets if it is one."""
        name = part.get_param("name", header="content-disposition")
        file = part.get_filename()
        return name, part.get_payload(), f" ({file})" if file else ""

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forms)
if len(sys.argv) == 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("port", server.server_port, flush=True)
server.serve_forever()
