"""The catalogue: what things cost."""

import json
import logging
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import metrics

PORT = int(os.environ.get("PORT", "9000"))
PRICES = {
    "tea": 4.5,
    "coffee": 7.25,
    "cocoa": 5.0,
}
log = logging.getLogger("catalog")


def lookup(sku):
    return {"sku": sku, "price": PRICES.get(sku, 3.0)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def do_GET(self):
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        if url.path == "/healthz":
            return self.answer(200, {"status": "ok"})
        if url.path == "/metrics":
            return self.send(200, "text/plain; version=0.0.4", metrics.text().encode())
        if url.path == "/price":
            return self.serve(lookup, query.get("sku", ""))
        self.answer(404, {"error": "no such path"})

    def serve(self, handle, asked):
        metrics.count("price_lookups_total")
        try:
            value = handle(asked)
        except Exception:
            log.exception("request failed: GET %s", self.path)
            return self.answer(500, {"error": "internal server error"})
        self.answer(200, value)

    def answer(self, status, value):
        self.send(status, "application/json", json.dumps(value).encode())

    def send(self, status, kind, data):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, client_address):
        err = sys.exc_info()[1]
        if not isinstance(err, ConnectionError):
            log.exception("connection from %s failed", client_address)


def main():
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
    server = Server(("0.0.0.0", PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    log.info("listening on port %d", PORT)
    server.serve_forever()
    log.info("stopped")
    os._exit(0)


if __name__ == "__main__":
    main()
