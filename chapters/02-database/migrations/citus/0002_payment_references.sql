-- The payment of an order. No unique index of the distributed table spans all customers, so the
-- claims are an ordinary table on the coordinator.
ALTER TABLE orders ADD COLUMN payment_reference text;

CREATE TABLE order_claims (
    reference       text PRIMARY KEY,
    customer        text NOT NULL,
    idempotency_key text NOT NULL
);
