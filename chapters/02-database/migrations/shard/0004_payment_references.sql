-- The payment of an order. Unique for a customer here, and over all shards by the claims of the
-- catalogue's database: see `orders/claims.rs`.
ALTER TABLE orders ADD COLUMN payment_reference text;
CREATE UNIQUE INDEX orders_by_payment ON orders (customer, payment_reference);
