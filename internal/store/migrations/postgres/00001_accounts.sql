-- +goose Up
CREATE TABLE accounts (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    domain     TEXT COLLATE "C" NOT NULL,
    base_url   TEXT COLLATE "C" NOT NULL,
    api_key    TEXT COLLATE "C" NOT NULL,    -- sealed; '' for none
    settings   TEXT COLLATE "C" NOT NULL,    -- JSON
    owner      TEXT COLLATE "C",             -- JSON
    state      TEXT COLLATE "C" NOT NULL,    -- JSON
    created_at BIGINT NOT NULL  -- all times: Unix milliseconds
);

CREATE TABLE tokens (
    id           TEXT COLLATE "C" PRIMARY KEY,
    account      TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name         TEXT COLLATE "C" NOT NULL,
    hash         BYTEA NOT NULL UNIQUE, -- SHA-256
    hint         TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT
);

CREATE INDEX tokens_account ON tokens (account, created_at);

-- What the store remembers about itself.
CREATE TABLE store_settings (
    key   TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

-- +goose Down
DROP TABLE store_settings;
DROP TABLE tokens;
DROP TABLE accounts;
