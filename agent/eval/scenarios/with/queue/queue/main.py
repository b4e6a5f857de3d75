"""A queue of jobs: a job is leased, and comes back when it was not said to be done."""

import collections
import itertools
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import metrics

lock = threading.Lock()
waiting = collections.deque()
leased = {}  # id -> (job, when)
LEASE_SECONDS = 5
numbers = itertools.count(1)


def put(body):
    job = {"id": "job-%d" % next(numbers), "tries": 0, "body": json.loads(body)}
    with lock:
        waiting.append(job)
    return job


def lease():
    """The oldest job; one that was leased and not done in time comes first, for its worker is gone."""
    now = time.monotonic()
    with lock:
        late = [name for name, (_, when) in leased.items() if now - when > LEASE_SECONDS]
        job = leased.pop(late[0])[0] if late else (waiting.popleft() if waiting else None)
        if job:
            job["tries"] += 1
            leased[job["id"]] = (job, now)
        metrics.gauge("queue_depth", len(waiting))
    return job


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def do_GET(self):
        if self.path == "/metrics":
            metrics.gauge("queue_depth", len(waiting))
            return self.send(200, metrics.text().encode())
        self.send(200, b"{}")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/jobs":
            metrics.count("queue_jobs_total")
            return self.send(200, json.dumps(put(body)).encode())
        if self.path == "/lease":
            return self.send(200, json.dumps(lease()).encode())
        with lock:
            leased.pop(self.path.removeprefix("/done/"), None)
        metrics.count("queue_done_total")
        self.send(200, b"{}")

    def send(self, status, data):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


Server(("0.0.0.0", int(os.environ.get("PORT", "7000"))), Handler).serve_forever()
