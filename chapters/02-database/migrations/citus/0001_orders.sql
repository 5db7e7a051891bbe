-- All orders, on a Citus coordinator. Citus divides the table over its workers by the customer's name.

-- An ordinary table on the coordinator: the next sequence number of each bucket. Written last when a
-- store is filled, so a database with these rows is complete.
CREATE TABLE order_sequences (
    bucket integer PRIMARY KEY CHECK (bucket BETWEEN 0 AND 255),
    next   bigint  NOT NULL CHECK (next >= 0)
);

-- ANCHOR: orders
CREATE TABLE orders (
    id              bigint      NOT NULL CHECK (id > 0 AND id < 9007199254740992),
    customer        text        NOT NULL,
    game_id         bigint      NOT NULL,
    quantity        integer     NOT NULL CHECK (quantity > 0),
    total_cents     bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    idempotency_key text,
    -- Every unique index contains the distribution column, because each shard has its own index.
    PRIMARY KEY (customer, id),
    UNIQUE (customer, idempotency_key)
);

-- A query by id alone asks every shard, and each of them needs this.
CREATE INDEX orders_by_id ON orders (id);

SELECT create_distributed_table('orders', 'customer');
-- ANCHOR_END: orders
