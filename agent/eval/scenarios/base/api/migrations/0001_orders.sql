CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    total REAL NOT NULL
);
