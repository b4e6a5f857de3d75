"""The way out: it takes requests for other hosts, as an HTTP proxy does, and answers in the words of those hosts.

`/_answer?with=<name>` makes it give one of the answers below from then on, `/_driver?library=<version>` lets the host's
driver be updated, `/_close` ends the listener for good; the harness asks that from outside."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

CONTEXT_TOKENS = 8192
ANSWERS = {
    "overloaded": (503, {"error": {"message": "The engine is currently overloaded, please try again later", "type": "server_error", "param": None, "code": None}}),
    "limited": (429, {"error": {"message": "Rate limit reached for gpt-4o-mini in organization org-7Xb on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}),
    "quota": (429, {"error": {"message": "You exceeded your current quota, please check your plan and billing details.", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}}),
    "revoked": (401, {"error": {"message": "Incorrect API key provided: key-of-**********shop. You can find your API key at https://platform.openai.com/account/api-keys.", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}}),
    "skewed": (403, {"Error": {"Code": "RequestTimeTooSkewed", "Message": "The difference between the request time and the current time is too large.", "MaxAllowedSkewMilliseconds": "900000"}}),
}
chosen = {"answer": None, "key": "key-of-the-shop", "library": "550.54.15"}


def complete(body, key):
    if chosen["answer"]:
        return ANSWERS[chosen["answer"]]
    if key != chosen["key"]:
        return 401, {"error": {"message": "Incorrect API key provided: %s****. You can find your API key at https://platform.openai.com/account/api-keys." % key[:4], "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}}
    tokens = len(body) // 4
    if tokens > CONTEXT_TOKENS:
        return 400, {"error": {"message": "This model's maximum context length is %d tokens. However, your messages resulted in %d tokens. Please reduce the length of the messages." % (CONTEXT_TOKENS, tokens), "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}
    return 200, {"choices": [{"message": {"role": "assistant", "content": "It is."}}]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def do_GET(self):
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        if url.netloc:
            return self.answer(200, {"kernel": "550.54.15", "library": chosen["library"]})
        if url.path == "/_answer":
            chosen["answer"] = query.get("with") or None
        if url.path == "/_driver":
            chosen["library"] = query["library"]
        self.answer(200, {"ok": True})
        if url.path == "/_close":
            threading.Thread(target=close).start()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(*complete(body, self.headers.get("Authorization", "").removeprefix("Bearer ")))

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
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


def close():
    server.shutdown()
    server.server_close()


server = Server(("0.0.0.0", int(os.environ.get("PORT", "3128"))), Handler)
server.serve_forever()
threading.Event().wait()
