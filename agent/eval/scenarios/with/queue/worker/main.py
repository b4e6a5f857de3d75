"""Works off the jobs of the queue, one after the other."""

import json
import logging
import os
import signal
import sys
import threading
import urllib.request

import thumbnails

log = logging.getLogger("worker")
QUEUE_URL = os.environ["QUEUE_URL"]
stop = threading.Event()


def call(path, body=b"{}"):
    with urllib.request.urlopen(QUEUE_URL + path, body, timeout=5) as answer:
        return json.load(answer)


def main():
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    log.info("waiting for jobs")
    while not stop.is_set():
        try:
            job = call("/lease")
        except OSError as err:
            log.warning("lease: %s", err)
            stop.wait(1)
            continue
        if not job:
            stop.wait(0.1)
            continue
        log.info("job %s try %d: %s", job["id"], job["tries"], json.dumps(job["body"])[:200])
        thumbnails.make(job["body"])
        call("/done/" + job["id"])
    log.info("stopped")


if __name__ == "__main__":
    main()
