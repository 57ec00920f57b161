"""A server that prints the forms that are posted to it, for selftest.sh."""

import email
import http.server
import urllib.parse


class Forms(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        kind = self.headers["content-type"]
        if kind.startswith("multipart/form-data"):
            message = email.message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
            fields = [(self.name(part), part.get_payload()) for part in message.get_payload()]
        else:
            fields = urllib.parse.parse_qsl(body.decode(), strict_parsing=True)
        fields = sorted((name, value, "") if isinstance(name, str) else (name[0], value, f" ({name[1]})") for name, value in fields)
        print(self.path, *(f"{name}={value!r}{file}" for name, value, file in fields), flush=True)
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"OK\n")

    @staticmethod
    def name(part):
        name = part.get_param("name", header="content-disposition")
        return (name, part.get_filename()) if part.get_filename() else name

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forms)
print("port", server.server_port, flush=True)
server.serve_forever()
