-- Finds a user's sessions, to end them all at once.
CREATE INDEX sessions_by_user ON sessions (session ->> 'user');
