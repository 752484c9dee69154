-- A user of Coder belongs to one identity. Until this moment, once, another identity may sign in as the user and take
-- its place: 0 unless an operator allowed it. Where sign-ins before this schema show several identities for a user,
-- the next sign-in decides.
ALTER TABLE users ADD COLUMN relink_until INTEGER NOT NULL DEFAULT 0;

UPDATE users SET relink_until = 9223372036854775807 WHERE coder_user IN (
    SELECT grants.coder_user FROM grants JOIN users AS bound ON bound.coder_user = grants.coder_user
    WHERE (grants.issuer, grants.subject) <> (bound.issuer, bound.subject)
);

-- The hash of the id by which Coder lists and deletes a key. Unknown for keys last seen by an earlier version.
ALTER TABLE tokens ADD COLUMN key_id BLOB;
