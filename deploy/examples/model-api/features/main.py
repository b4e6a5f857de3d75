"""A feature store: it turns a text into three numbers, for the model server on the private network."""

import json
import os
import signal
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(os.environ.get("PORT", "9000"))


def features(text):
    letters = [c for c in text if c.isalpha()]
    return [float(len(text)), float(len(letters)), float(len(text.split()))]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 75
    disable_nagle_algorithm = True

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/healthz":
            return self.answer(200, {"ready": True})
        if url.path == "/features":
            text = dict(urllib.parse.parse_qsl(url.query)).get("text", "")
            return self.answer(200, {"features": features(text)})
        self.answer(404, {"error": "no such path"})

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.wfile.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(data), data)
        )

    def log_message(self, *args):
        pass


def main():
    server = ThreadingHTTPServer(("0.0.0.0", PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(json.dumps({"level": "info", "msg": "listening", "port": PORT}), flush=True)
    server.serve_forever()
    os._exit(0)


if __name__ == "__main__":
    main()
