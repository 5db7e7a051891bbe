-- Payment references: each may pay for one order, whichever shard holds it. See `orders/claims.rs`.

-- ANCHOR: order_claims
CREATE TABLE order_claims (
    reference text    PRIMARY KEY,             -- what no index of a shard can keep unique
    customer  text    NOT NULL,                -- who may place the order with this reference
    deadline  bigint  NOT NULL,                -- the order's sequence number must be smaller
    confirmed boolean NOT NULL DEFAULT false   -- the order exists
);
-- ANCHOR_END: order_claims

-- The clock of the deadlines: the same numbers as `order_clock` of the shards.
CREATE FUNCTION claim_clock() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - 1767225600000) * 16
$$;
