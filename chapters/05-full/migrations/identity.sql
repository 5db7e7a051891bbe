-- Which store this file belongs to, and which part of it the file is. One row.
CREATE TABLE identity (
    store TEXT NOT NULL,                      -- a UUID
    part  TEXT NOT NULL                       -- the name of the file
) STRICT;
