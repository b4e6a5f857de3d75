"""Keeps orders in SQLite."""

import logging
import pathlib
import sqlite3
import threading

log = logging.getLogger("store")
PATH = "/tmp/shop.db"
lock = threading.Lock()


def connect():
    return sqlite3.connect(PATH, timeout=5, check_same_thread=False)


def migrate(path=PATH):
    """Applies the migrations that were not applied yet, in order of their names."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE IF NOT EXISTS applied (name TEXT PRIMARY KEY)")
        for file in sorted(pathlib.Path("migrations").glob("*.sql")):
            if db.execute("SELECT 1 FROM applied WHERE name = ?", (file.name,)).fetchone():
                continue
            log.info("applying migration %s", file.name)
            db.executescript(file.read_text())
            db.execute("INSERT INTO applied VALUES (?)", (file.name,))


def keep(sku, quantity, total):
    with lock, connect() as db:
        db.execute("INSERT INTO orders (sku, quantity, total) VALUES (?, ?, ?)", (sku, quantity, total))
        db.execute("DELETE FROM orders WHERE id <= (SELECT max(id) FROM orders) - 200")


def newest():
    with lock, connect() as db:
        rows = db.execute("SELECT sku, quantity, total FROM orders ORDER BY id DESC LIMIT 20").fetchall()
    return [{"sku": sku, "quantity": quantity, "total": total} for sku, quantity, total in rows]
