-- The sign-in by the provider's clock, to tell it from one that a late logout token does not mean. Those of
-- before are older than everything.
ALTER TABLE grants ADD COLUMN issued_at INTEGER NOT NULL DEFAULT 0;

-- Where a token was last seen from, once it was.
ALTER TABLE tokens ADD COLUMN address TEXT;
ALTER TABLE tokens ADD COLUMN user_agent TEXT;
