"""Counts, exposed in Prometheus text."""

import collections
import threading

lock = threading.Lock()
counts = collections.Counter()
gauges = {}


def count(name, by=1):
    with lock:
        counts[name] += by


def gauge(name, value):
    with lock:
        gauges[name] = value


def text():
    with lock:
        lines = ["# TYPE %s counter\n%s %d\n" % (name, name, value) for name, value in counts.items()]
        lines += ["# TYPE %s gauge\n%s %g\n" % (name, name, value) for name, value in gauges.items()]
    return "".join(lines)
