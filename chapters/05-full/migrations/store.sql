-- The store's own database: everything but the orders.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE games (
    id           INTEGER PRIMARY KEY,
    slug         TEXT    NOT NULL UNIQUE,
    title        TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    genre        TEXT    NOT NULL,
    developer    TEXT    NOT NULL,
    publisher    TEXT    NOT NULL,
    platform     TEXT    NOT NULL,
    release_date TEXT    NOT NULL,
    price_cents  INTEGER NOT NULL CHECK (price_cents >= 0),
    images       TEXT    NOT NULL,            -- a JSON array of paths
    trailer      TEXT    NOT NULL,
    updated_at   TEXT    NOT NULL,            -- RFC 3339, UTC
    -- Denormalised from `reviews`, so that a list of games needs no join. Kept right in the transaction that
    -- writes the review.
    review_count INTEGER NOT NULL DEFAULT 0,
    review_stars INTEGER NOT NULL DEFAULT 0,
    rating       REAL                         -- review_stars / review_count; NULL while there is no review
) STRICT;

CREATE INDEX games_by_genre  ON games (genre, id);
CREATE INDEX games_by_rating ON games (rating DESC, review_count DESC, id);
CREATE INDEX games_by_date   ON games (release_date DESC, id);

CREATE TABLE reviews (
    id         INTEGER PRIMARY KEY,
    game_id    INTEGER NOT NULL REFERENCES games (id),
    customer   TEXT    NOT NULL,
    stars      INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    text       TEXT    NOT NULL,
    created_at TEXT    NOT NULL
) STRICT;

CREATE INDEX reviews_by_game ON reviews (game_id, created_at DESC);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    session    TEXT    NOT NULL,              -- JSON
    expires_at INTEGER NOT NULL               -- seconds since 1970
) STRICT;

CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE jobs (
    id       TEXT PRIMARY KEY,                -- a UUID, version 7: sorts by time
    job      TEXT    NOT NULL,
    customer TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    progress INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    result   TEXT                             -- JSON
) STRICT;

CREATE INDEX jobs_unfinished ON jobs (id) WHERE state NOT IN ('done', 'dead');
