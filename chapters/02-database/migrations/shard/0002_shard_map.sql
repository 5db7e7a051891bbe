-- The buckets of this shard, each with the epoch of its owner. See the module `sharding`.

-- ANCHOR: buckets
ALTER TABLE bucket_sequences RENAME TO buckets;

ALTER TABLE buckets
    -- incoming: a move copies the bucket to this shard; active: this shard owns the bucket;
    -- moved: another shard owns it, and the orders that remain here are no longer read.
    ADD COLUMN state text NOT NULL DEFAULT 'active' CHECK (state IN ('incoming', 'active', 'moved')),
    -- The epoch of the shard map in which the bucket got this state.
    ADD COLUMN epoch bigint NOT NULL DEFAULT 1 CHECK (epoch >= 1);
-- ANCHOR_END: buckets

-- The same rule as `bucket_of_customer` in the program: FNV-1a modulo 256. The low byte of a
-- product depends on the low bytes of its factors only, so one byte of the hash is enough.
CREATE FUNCTION bucket_of_customer(customer text) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bytes bytea   := convert_to(customer, 'UTF8');
    hash  integer := 37; -- 0x25
BEGIN
    FOR position IN 0 .. length(bytes) - 1 LOOP
        hash := ((hash # get_byte(bytes, position)) * 179) & 255; -- 0xb3
    END LOOP;
    RETURN hash;
END
$$;

-- The clock of the ids, as in `next_sequence` in the program: 16 numbers per millisecond since 2026.
CREATE FUNCTION order_clock() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - 1767225600000) * 16
$$;

-- ANCHOR: never_misplaced
-- Rule 1: an order is in the bucket of its customer.
ALTER TABLE orders
    ADD CONSTRAINT order_is_in_its_customers_bucket CHECK (id % 256 = bucket_of_customer(customer)),
    -- JavaScript reads greater numbers of a JSON text inexactly.
    ADD CONSTRAINT id_is_exact_in_javascript CHECK (id < 9007199254740992);

-- Rule 2: the bucket is active on this shard. The foreign key alone also accepts a bucket that is
-- on its way to this shard, or that has left it.
CREATE FUNCTION reject_orders_of_other_shards() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- A move sets this for its own transaction, because it writes to a bucket before it is active.
    expected text := coalesce(nullif(current_setting('sharding.bucket_state', true), ''), 'active');
    refused  integer;
BEGIN
    SELECT new_orders.bucket INTO refused
        FROM new_orders LEFT JOIN buckets USING (bucket)
        WHERE buckets.state IS DISTINCT FROM expected LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'bucket % is not % on this shard', refused, expected
            USING ERRCODE = 'SH001';
    END IF;
    RETURN NULL;
END
$$;

-- Once per statement and not per row, because COPY loads many rows.
CREATE TRIGGER orders_are_on_the_owning_shard AFTER INSERT ON orders
    REFERENCING NEW TABLE AS new_orders
    FOR EACH STATEMENT EXECUTE FUNCTION reject_orders_of_other_shards();
-- ANCHOR_END: never_misplaced
