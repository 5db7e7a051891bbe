-- Path 2: copies that make a page cheap to read, and indexes for paging by key.

-- ANCHOR: product_documents
-- Everything about one game in one value. Empty until `rebuild` fills it; from then on every write of a game or a review
-- writes its document again, in the same transaction.
CREATE TABLE product_documents (
    game_id  bigint PRIMARY KEY REFERENCES games (id),
    document jsonb  NOT NULL
);

-- Counted when a review is written, so that a page does not count.
CREATE TABLE customer_counters (
    customer text   PRIMARY KEY,
    reviews  bigint NOT NULL DEFAULT 0 CHECK (reviews >= 0),
    friends  bigint NOT NULL DEFAULT 0 CHECK (friends >= 0)
);
-- ANCHOR_END: product_documents

INSERT INTO customer_counters (customer, reviews)
SELECT customer, count(*) FROM reviews GROUP BY customer;

INSERT INTO customer_counters (customer, friends)
SELECT customer, count(*) FROM friendships GROUP BY customer
ON CONFLICT (customer) DO UPDATE SET friends = excluded.friends;

CREATE INDEX reviews_by_customer ON reviews (customer);

-- Paging by key compares all columns of the order as one row value, so all of them must descend. NULL cannot be
-- compared, so a game without a rating counts as 0.
DROP INDEX games_by_rating;
DROP INDEX games_by_date;
CREATE INDEX games_by_rating ON games (coalesce(rating, 0) DESC, review_count DESC, (-id) DESC);
CREATE INDEX games_by_date   ON games (release_date DESC, (-id) DESC);
