"""Hands work to the queue."""

import json
import os
import urllib.request


def submit(query):
    body = json.dumps({"image": query.get("image", "tea.png"), "size": query.get("size", "640x480")}).encode()
    with urllib.request.urlopen(os.environ["QUEUE_URL"] + "/jobs", body, timeout=2) as answer:
        return json.load(answer)
