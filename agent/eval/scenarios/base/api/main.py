"""The shop's API over HTTP."""

import json
import logging
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import assistant
import jobs
import metrics
import orders
import settings
import store

log = logging.getLogger("api")


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
        if url.path == "/orders":
            return self.serve(orders.place, query)
        if url.path == "/report":
            return self.serve(orders.report, query)
        if url.path == "/thumbnails":
            return self.serve(jobs.submit, query)
        if url.path == "/ask":
            return self.serve(assistant.ask, query)
        self.answer(404, {"error": "no such path"})

    def serve(self, handle, query):
        metrics.count("http_requests_total")
        try:
            value = handle(query)
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
    logging.basicConfig(level=settings.LOG_LEVEL, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
    store.migrate()
    server = Server(("0.0.0.0", settings.PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    log.info("listening on port %d", settings.PORT)
    server.serve_forever()
    log.info("stopped")
    os._exit(0)


if __name__ == "__main__":
    main()
