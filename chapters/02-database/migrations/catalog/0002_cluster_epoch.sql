-- The epoch of the cluster: it rises at each fail-over, before the new primary takes its first write.
-- A former primary keeps the old number, so a writer that expects the new one is refused there.
CREATE TABLE cluster_epoch (
    is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
    epoch       bigint NOT NULL
);
INSERT INTO cluster_epoch (epoch) VALUES (1);

-- ANCHOR: check_epoch
-- Fails if this server has another epoch than the writer expects. Every writer calls it in the
-- message that also holds its COMMIT.
CREATE FUNCTION check_epoch(expected bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stored bigint;
BEGIN
    -- Writers share this lock until they have committed. `raise_epoch` needs it alone, so it waits
    -- for the writers that have passed the check. The lock is in memory and writes no WAL.
    PERFORM pg_advisory_xact_lock_shared(20260002);
    SELECT epoch INTO stored FROM cluster_epoch;
    IF stored IS DISTINCT FROM expected THEN
        RAISE EXCEPTION 'the writer expects epoch %, this server has %', expected, stored
            USING ERRCODE = 'EPOCH';
    END IF;
END
$$;

-- Raises the epoch to this number, and never lowers it.
CREATE FUNCTION raise_epoch(raised bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(20260002);
    UPDATE cluster_epoch SET epoch = raised WHERE epoch < raised;
END
$$;
-- ANCHOR_END: check_epoch
