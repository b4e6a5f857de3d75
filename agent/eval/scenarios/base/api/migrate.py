"""Tries every migration on an empty database, before a release may start."""

import logging
import sys

import store

logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
store.migrate("/tmp/trial.db")
logging.getLogger("migrate").info("all migrations apply")
