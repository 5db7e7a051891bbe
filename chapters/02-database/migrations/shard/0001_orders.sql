-- One shard: the orders of the customers whose buckets it owns.

-- The buckets that this shard owns, each with the sequence of its next order. By bucket and not by shard, so that a bucket can take it
-- along when it moves. A shard without a bucket's row can neither number an order of that bucket nor store it.
CREATE TABLE bucket_sequences (
    bucket integer PRIMARY KEY CHECK (bucket BETWEEN 0 AND 255),
    next   bigint  NOT NULL CHECK (next >= 0)
);

-- ANCHOR: orders
CREATE TABLE orders (
    id              bigint PRIMARY KEY CHECK (id > 0), -- sequence * 256 + bucket
    bucket          integer     GENERATED ALWAYS AS (CAST(id % 256 AS integer)) STORED REFERENCES bucket_sequences (bucket),
    customer        text        NOT NULL,
    game_id         bigint      NOT NULL,              -- of the catalogue's database: no foreign key reaches across servers
    quantity        integer     NOT NULL CHECK (quantity > 0),
    total_cents     bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    idempotency_key text,                              -- NULL for sample orders
    -- What makes "none twice" true whatever the application does.
    UNIQUE (customer, idempotency_key)
);
-- ANCHOR_END: orders

CREATE INDEX orders_by_customer ON orders (customer, id);
