-- The sign-in by the provider's clock, to tell it from one that a late logout token does not mean. Those of
-- before are older than everything.
ALTER TABLE grants ADD COLUMN issued_at INTEGER NOT NULL DEFAULT 0;
