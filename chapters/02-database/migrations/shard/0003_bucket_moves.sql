-- What a move of a bucket to another shard needs. See the module `sharding::rebalance`.

-- The moves that leave this shard and are not complete, each with the step that it has reached.
-- ANCHOR: bucket_moves
CREATE TABLE bucket_moves (
    bucket     integer     PRIMARY KEY,
    -- The shard that gets the bucket, and the epoch in which it owns it.
    to_shard   integer     NOT NULL,
    epoch      bigint      NOT NULL,
    -- Until catching_up, this shard owns the bucket. From cut_over on, the other shard does.
    step       text        NOT NULL CHECK (step IN ('copying', 'catching_up', 'cut_over', 'cleaning_up')),
    started_at timestamptz NOT NULL DEFAULT now()
);
-- ANCHOR_END: bucket_moves

-- A move reads and deletes the orders of one bucket.
CREATE INDEX orders_by_bucket ON orders (bucket, id);

-- ANCHOR: change_log
-- Whether a move needs to know each change of the bucket's orders.
ALTER TABLE buckets ADD COLUMN is_recorded boolean NOT NULL DEFAULT false;

-- The orders that have changed during a move. The number alone is enough: the move reads the order
-- itself, so it always gets the newest version.
CREATE TABLE order_changes (
    bucket   integer NOT NULL,
    id       bigint  GENERATED ALWAYS AS IDENTITY,
    order_id bigint  NOT NULL,
    PRIMARY KEY (bucket, id)
);

CREATE FUNCTION record_order_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A move switches the recording on while it holds this lock FOR UPDATE. So it waits for all
    -- transactions that have read "off", and later ones wait here and then read "on".
    PERFORM FROM buckets WHERE bucket IN (SELECT bucket FROM changed_orders)
        ORDER BY bucket FOR KEY SHARE;
    -- A second statement, because it sees what was committed during the wait.
    INSERT INTO order_changes (bucket, order_id)
        SELECT bucket, changed_orders.id FROM changed_orders JOIN buckets USING (bucket)
        WHERE is_recorded;
    RETURN NULL;
END
$$;
-- ANCHOR_END: change_log

CREATE TRIGGER inserts_are_recorded AFTER INSERT ON orders
    REFERENCING NEW TABLE AS changed_orders
    FOR EACH STATEMENT EXECUTE FUNCTION record_order_changes();

-- The id of an order never changes, so the new versions name all changed orders.
CREATE TRIGGER updates_are_recorded AFTER UPDATE ON orders
    REFERENCING NEW TABLE AS changed_orders
    FOR EACH STATEMENT EXECUTE FUNCTION record_order_changes();

CREATE TRIGGER deletes_are_recorded AFTER DELETE ON orders
    REFERENCING OLD TABLE AS changed_orders
    FOR EACH STATEMENT EXECUTE FUNCTION record_order_changes();
