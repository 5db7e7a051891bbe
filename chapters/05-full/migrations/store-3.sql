-- Friends, the activity of customers, and news: as in chapter 2, but without the feeds of friends. One machine joins the
-- friends with their activity at each read.

CREATE TABLE friendships (
    customer TEXT NOT NULL,
    friend   TEXT NOT NULL CHECK (friend <> customer),
    since    TEXT NOT NULL,                   -- RFC 3339, UTC
    PRIMARY KEY (customer, friend)
) STRICT, WITHOUT ROWID;

-- Copies: of a review in the same transaction, of an order after the commit on its shard.
CREATE TABLE activity (
    id         TEXT    PRIMARY KEY,           -- 'review-50', 'order-263'
    customer   TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('order', 'review')),
    game_id    INTEGER NOT NULL REFERENCES games (id),
    game_title TEXT    NOT NULL,
    stars      INTEGER CHECK (stars BETWEEN 1 AND 5),
    is_public  INTEGER NOT NULL,              -- 0 or 1
    created_at TEXT    NOT NULL
) STRICT;

CREATE INDEX activity_by_customer ON activity (customer, created_at DESC, id DESC);

CREATE TABLE news (
    id           INTEGER PRIMARY KEY,
    slug         TEXT    NOT NULL UNIQUE,
    title        TEXT    NOT NULL,
    summary      TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    game_id      INTEGER NOT NULL REFERENCES games (id),
    game_title   TEXT    NOT NULL,
    published_at TEXT    NOT NULL
) STRICT;
