-- +goose Up
CREATE TABLE accounts (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    domain     TEXT NOT NULL,
    base_url   TEXT NOT NULL,
    api_key    TEXT NOT NULL,    -- sealed; '' for none
    settings   TEXT NOT NULL,    -- JSON
    owner      TEXT,             -- JSON
    state      TEXT NOT NULL,    -- JSON
    created_at INTEGER NOT NULL  -- all times: Unix milliseconds
) STRICT;

CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    account      TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE, -- SHA-256
    hint         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

CREATE INDEX tokens_account ON tokens (account, created_at);

-- What the store remembers about itself.
CREATE TABLE store_settings (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- +goose Down
DROP TABLE store_settings;
DROP TABLE tokens;
DROP TABLE accounts;
