"""Exports: `/export` counts for a while with as many processes as it was told to have."""

import multiprocessing
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EXPORT_SECONDS = 60
PROCESSES = 12


def crunch(end):
    n = 0
    while time.monotonic() < end:
        n += 1


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/export":
            print("export of all orders begins", flush=True)
            for _ in range(PROCESSES):
                multiprocessing.Process(target=crunch, args=(time.monotonic() + EXPORT_SECONDS,), daemon=True).start()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8600"))), Handler).serve_forever()
