-- Moments are milliseconds since the Unix epoch. Credentials, handles and access tokens are kept as
-- SHA-256 hashes; `sealed` and `notes.value` are opaque to the engine.

CREATE TABLE notes (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE grants (
    id                BLOB PRIMARY KEY,
    issuer            TEXT NOT NULL,
    subject           TEXT NOT NULL,
    sid               TEXT,
    coder_user        BLOB,
    email             TEXT NOT NULL,
    handle            BLOB NOT NULL,
    access            BLOB NOT NULL,
    access_expires_at INTEGER NOT NULL,
    checked_at        INTEGER NOT NULL,
    refreshable       INTEGER NOT NULL,
    generation        INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    address           TEXT NOT NULL,
    user_agent        TEXT NOT NULL,
    ended_at          INTEGER,
    ended_reason      TEXT,
    revoke_at         INTEGER,
    revoke_tries      INTEGER NOT NULL DEFAULT 0,
    sealed            BLOB NOT NULL
) STRICT;

CREATE INDEX grants_of_identity ON grants (issuer, subject);
CREATE INDEX grants_of_sid ON grants (issuer, sid) WHERE sid IS NOT NULL;
CREATE INDEX grants_of_user ON grants (coder_user) WHERE ended_at IS NULL;
CREATE INDEX grants_by_handle ON grants (handle);
CREATE INDEX grants_by_access ON grants (access) WHERE ended_at IS NULL;
CREATE INDEX grants_to_revoke ON grants (revoke_at) WHERE revoke_at IS NOT NULL;

CREATE TABLE sessions (
    hash         BLOB PRIMARY KEY,
    grant_id     BLOB NOT NULL,
    coder_user   BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen    INTEGER NOT NULL,
    ended_at     INTEGER,
    ended_reason TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_grant ON sessions (grant_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_of_user ON sessions (coder_user) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE tokens (
    hash         BLOB PRIMARY KEY,
    coder_user   BLOB NOT NULL,
    login_type   TEXT NOT NULL,
    made_for     TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    asked_at     INTEGER NOT NULL,
    last_seen    INTEGER NOT NULL,
    ended_at     INTEGER,
    ended_reason TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_of_user ON tokens (coder_user) WHERE ended_at IS NULL;

-- Who ever signed in: tells "the sign-in has ended" from "never signed in" when the grants are forgotten.
CREATE TABLE users (
    coder_user BLOB PRIMARY KEY,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    email      TEXT NOT NULL,
    since      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX users_by_identity ON users (issuer, subject);

CREATE TABLE spent (
    id        BLOB PRIMARY KEY,
    spent_for INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_until ON spent (spent_for);
