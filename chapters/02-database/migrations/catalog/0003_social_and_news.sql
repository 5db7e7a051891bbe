-- Friends, the activity of customers, and news. Copies that stand in these tables are named at their columns.

-- Both directions of a friendship are rows, so the friends of one customer are one range of the primary key.
CREATE TABLE friendships (
    customer text COLLATE "C" NOT NULL,
    friend   text COLLATE "C" NOT NULL CHECK (friend <> customer),
    since    timestamptz      NOT NULL,
    PRIMARY KEY (customer, friend)
);

-- ANCHOR: activity
-- What a customer did. Every row is a copy of a review (same database, same transaction) or of an order (on a shard, so
-- written after the order's commit).
CREATE TABLE activity (
    id         text COLLATE "C" PRIMARY KEY,      -- 'review-50', 'order-263': a second copy of the same source is refused
    customer   text             NOT NULL,
    kind       text             NOT NULL CHECK (kind IN ('order', 'review')),
    game_id    bigint           NOT NULL REFERENCES games (id),
    game_title text             NOT NULL,         -- denormalised: the stream needs no join
    stars      smallint         CHECK (stars BETWEEN 1 AND 5),
    is_public  boolean          NOT NULL,         -- an order of a customer is for the customer and friends only
    created_at timestamptz      NOT NULL,
    CHECK ((kind = 'review') = (stars IS NOT NULL))
);
-- ANCHOR_END: activity

CREATE INDEX activity_by_customer ON activity (customer, created_at DESC, id DESC);

-- Fan-out on write: one row per friend and activity, so that the stream of all friends is one range of the primary key.
CREATE TABLE friend_feed (
    reader      text             NOT NULL,
    created_at  timestamptz      NOT NULL,
    activity_id text COLLATE "C" NOT NULL REFERENCES activity (id) ON DELETE CASCADE,
    PRIMARY KEY (reader, created_at, activity_id)
);

CREATE INDEX friend_feed_by_activity ON friend_feed (activity_id);

CREATE TABLE news (
    id           bigint PRIMARY KEY,              -- a later article has a greater number
    slug         text        NOT NULL UNIQUE,
    title        text        NOT NULL,
    summary      text        NOT NULL,
    body         text        NOT NULL,
    game_id      bigint      NOT NULL REFERENCES games (id),
    game_title   text        NOT NULL,            -- denormalised
    published_at timestamptz NOT NULL
);
