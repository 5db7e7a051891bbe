-- The shard map: the owner of every bucket. All clones read it from here.

-- ANCHOR: shard_map
CREATE TABLE shard_map (
    bucket integer PRIMARY KEY CHECK (bucket BETWEEN 0 AND 255),
    shard  integer NOT NULL CHECK (shard BETWEEN 0 AND 255),
    -- Grows with every move of the bucket. The owning shard stores the same number.
    epoch  bigint  NOT NULL CHECK (epoch >= 1)
);
-- ANCHOR_END: shard_map

-- A move that was delayed must not replace the result of a later move.
CREATE FUNCTION reject_older_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.epoch <= OLD.epoch THEN
        RAISE EXCEPTION 'bucket % has the epoch %, which is not older than %', OLD.bucket, OLD.epoch, NEW.epoch
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER epochs_only_grow BEFORE UPDATE ON shard_map
    FOR EACH ROW EXECUTE FUNCTION reject_older_epoch();
