-- The payment of an order. Unique on this shard; `embedded/orders.rs` looks at the other shards.
ALTER TABLE orders ADD COLUMN payment_reference TEXT;
CREATE UNIQUE INDEX orders_by_payment ON orders (payment_reference);
