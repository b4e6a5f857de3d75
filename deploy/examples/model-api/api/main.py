"""A model server: it loads weights from a cache disk, answers /predict with JSON and /stream with one token at a time."""

import http.client
import json
import os
import signal
import sys
import threading
import time
import traceback
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL_VERSION = "1"
PORT = int(os.environ.get("PORT", "8000"))
FEATURES_URL = os.environ["FEATURES_URL"]
WEIGHTS_FILE = os.environ.get("WEIGHTS_FILE", "/models/weights.json")
LOAD_SECONDS = float(os.environ.get("LOAD_SECONDS", "1.5"))


def log(level, message, **fields):
    record = {"time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()), "level": level, "msg": message}
    record.update(fields)
    sys.stdout.write(json.dumps(record) + "\n")  # one write, so that lines of two threads never mix
    sys.stdout.flush()


class Model:
    """The weights, and whether they are loaded yet."""

    def __init__(self):
        self.weights = None

    @property
    def ready(self):
        return self.weights is not None

    def load(self):
        if not os.path.exists(WEIGHTS_FILE):
            self.download()
        else:
            log("info", "weights found in the cache", file=WEIGHTS_FILE)
        time.sleep(LOAD_SECONDS)  # stands for the minutes that a real model takes
        with open(WEIGHTS_FILE) as f:
            self.weights = json.load(f)["weights"]
        log("info", "model loaded", model_version=MODEL_VERSION, weights=len(self.weights))

    def download(self):
        partial = WEIGHTS_FILE + ".%d.partial" % os.getpid()
        with open(partial, "w") as f:
            json.dump({"weights": [0.5, 0.3, 0.2], "written_by_release": os.environ.get("FAIRLEAD_RELEASE", "")}, f)
        os.replace(partial, WEIGHTS_FILE)
        log("info", "weights written to the cache", file=WEIGHTS_FILE)


def normalise(values):
    total = sum(abs(v) for v in values)
    return [v / total for v in values]


def predict(model, text):
    features = fetch_features(text)
    weights = normalise(model.weights)
    score = sum(w * f for w, f in zip(weights, features))
    return {
        "text": text,
        "score": round(score, 4),
        "model_version": MODEL_VERSION,
        "release": os.environ.get("FAIRLEAD_RELEASE", ""),
    }


connections = threading.local()


def fetch_features(text):
    """Asks the feature store over the private network; one kept connection for each thread, opened anew once when it broke."""
    url = urllib.parse.urlsplit(FEATURES_URL)
    for attempt in (1, 2):
        connection = getattr(connections, "features", None)
        if connection is None:
            connection = connections.features = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
        try:
            connection.request("GET", "/features?text=" + urllib.parse.quote(text))
            return json.loads(connection.getresponse().read())["features"]
        except (OSError, http.client.HTTPException):
            connection.close()
            connections.features = None
            if attempt == 2:
                raise


model = Model()
in_flight = 0
in_flight_lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 75
    disable_nagle_algorithm = True

    def do_GET(self):
        self.count(self.route)

    do_POST = do_GET

    def count(self, serve):
        global in_flight
        with in_flight_lock:
            in_flight += 1
        try:
            serve()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with in_flight_lock:
                in_flight -= 1

    def route(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/healthz":
            return self.answer(200 if model.ready else 503, {"ready": model.ready})
        if url.path == "/version":
            return self.answer(200, {"model_version": MODEL_VERSION, "release": os.environ.get("FAIRLEAD_RELEASE", "")})
        if url.path == "/predict":
            return self.answer_prediction(body.decode() if body else query.get("text", ""))
        if url.path == "/stream":
            return self.stream(int(query.get("tokens", "20")))
        self.answer(404, {"error": "no such path", "path": url.path})

    def answer_prediction(self, text):
        try:
            self.answer(200, predict(model, text))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as err:
            log("error", "prediction failed: %s" % err, path=self.path, traceback=traceback.format_exc())
            self.answer(500, {"error": str(err)})

    def stream(self, tokens):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(tokens):
            self.chunk("data: token-%d\n\n" % i)
            time.sleep(0.1)
        self.chunk("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def answer(self, status, value):
        data = json.dumps(value).encode()
        head = "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
            status,
            self.responses.get(status, ("",))[0],
            len(data),
        )
        self.wfile.write(head.encode() + data)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request, client_address):
        err = sys.exc_info()[1]
        if not isinstance(err, ConnectionError):  # a client that went away is not an error of ours
            log("error", "request failed: %s" % err, traceback=traceback.format_exc())


def stop(server):
    """Finishes what is in flight, then leaves: the old release must not cut anybody off."""
    log("info", "stopping")
    server.shutdown()
    deadline = time.monotonic() + 25
    while in_flight and time.monotonic() < deadline:
        time.sleep(0.05)
    os._exit(0)


def main():
    server = Server(("0.0.0.0", PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop, args=(server,)).start())
    threading.Thread(target=model.load, daemon=True).start()
    log("info", "listening", port=PORT, model_version=MODEL_VERSION, python=sys.version.split()[0])
    server.serve_forever()


if __name__ == "__main__":
    main()
