-- The epoch of the cluster: it rises at each fail-over, before the new primary takes its first write.
-- A former primary keeps the old number, so a writer that expects the new one is refused there.
CREATE TABLE cluster_epoch (
    is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
    epoch       bigint NOT NULL,
    -- True on a former primary. Then it takes no writes, whatever epoch a writer expects.
    is_fenced   boolean NOT NULL DEFAULT false
);
INSERT INTO cluster_epoch (epoch) VALUES (1);

-- ANCHOR: check_epoch
-- Fails if this server has another epoch than the writer expects. Every writer calls it in the
-- message that also holds its COMMIT.
CREATE FUNCTION check_epoch(expected bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stored cluster_epoch;
BEGIN
    -- Writers share this lock until they have committed. `start_epoch` and `fence` need it alone, so
    -- they wait for the writers that have passed the check. The lock is in memory and writes no WAL.
    PERFORM pg_advisory_xact_lock_shared(20260002);
    SELECT * INTO stored FROM cluster_epoch;
    IF stored.epoch IS DISTINCT FROM expected OR stored.is_fenced THEN
        RAISE EXCEPTION 'the writer expects epoch %, this server has % (fenced: %)',
            expected, stored.epoch, stored.is_fenced USING ERRCODE = 'EPOCH';
    END IF;
END
$$;

-- On a new primary: starts this epoch.
CREATE FUNCTION start_epoch(started bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(20260002);
    UPDATE cluster_epoch SET epoch = greatest(epoch, started), is_fenced = false;
END
$$;

-- On a former primary: refuses all writers from now on.
CREATE FUNCTION fence(started bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(20260002);
    UPDATE cluster_epoch SET is_fenced = true WHERE epoch < started;
END
$$;
-- ANCHOR_END: check_epoch
