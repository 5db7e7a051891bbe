-- One shard: the orders of the customers whose buckets the shard owns.

-- The buckets that this shard owns, each with the sequence number of its next order. A bucket takes
-- its sequence along when it moves. Without a bucket's row, the shard can neither number nor store
-- an order of that bucket.
CREATE TABLE bucket_sequences (
    bucket integer PRIMARY KEY CHECK (bucket BETWEEN 0 AND 255),
    next   bigint  NOT NULL CHECK (next >= 0)
);

-- ANCHOR: orders
CREATE TABLE orders (
    id              bigint PRIMARY KEY CHECK (id > 0), -- sequence * 256 + bucket
    bucket          integer GENERATED ALWAYS AS (CAST(id % 256 AS integer)) STORED
                    REFERENCES bucket_sequences (bucket),
    customer        text        NOT NULL,
    -- In another database, so a foreign key is not possible.
    game_id         bigint      NOT NULL,
    quantity        integer     NOT NULL CHECK (quantity > 0),
    total_cents     bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    idempotency_key text, -- NULL for sample orders
    -- No order is placed twice, whatever the application does.
    UNIQUE (customer, idempotency_key)
);
-- ANCHOR_END: orders

CREATE INDEX orders_by_customer ON orders (customer, id);
