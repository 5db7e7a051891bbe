-- One shard: the orders of the customers whose buckets it owns.

-- ANCHOR: orders
CREATE TABLE orders (
    id              INTEGER PRIMARY KEY,      -- sequence * 256 + bucket
    customer        TEXT    NOT NULL,
    game_id         INTEGER NOT NULL,         -- of the store's database: no foreign key reaches across servers
    quantity        INTEGER NOT NULL CHECK (quantity > 0),
    total_cents     INTEGER NOT NULL,
    created_at      TEXT    NOT NULL,         -- RFC 3339, UTC
    idempotency_key TEXT,                     -- NULL for sample orders
    -- What makes "none twice" true whatever the application does.
    UNIQUE (customer, idempotency_key)
) STRICT;
-- ANCHOR_END: orders

CREATE INDEX orders_by_customer ON orders (customer, id);

-- The next order's sequence in each bucket. By bucket and not by shard, so that a bucket can take it along when it moves.
CREATE TABLE bucket_sequences (
    bucket INTEGER PRIMARY KEY,
    next   INTEGER NOT NULL
) STRICT;
