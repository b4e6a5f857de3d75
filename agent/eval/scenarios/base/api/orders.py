"""Places orders and reports on them."""

import catalog
import settings
import store


def place(query):
    sku, quantity = query.get("sku", "tea"), int(query.get("quantity", "1"))
    item = catalog.price(sku)
    total = round(quantity * item["price"], 2)
    store.keep(sku, quantity, total)
    return {"sku": sku, "quantity": quantity, "total": total}


def report(query):
    rows = store.newest()
    revenue = sum(row["total"] for row in rows)
    return {"orders": len(rows), "revenue": round(revenue, 2), "batch": settings.BATCH_SIZE}
