-- +goose Up
CREATE TABLE freshservice_records (
    seq    BIGINT PRIMARY KEY,
    record BYTEA NOT NULL
);

-- All addresses a person holds in Freshservice, hidden people included. An
-- address belongs to one person there.
CREATE TABLE freshservice_emails (
    collection BIGINT NOT NULL,
    email_key  TEXT COLLATE "C" NOT NULL,
    seq        BIGINT NOT NULL,
    PRIMARY KEY (collection, email_key)
);

CREATE INDEX freshservice_emails_seq ON freshservice_emails (seq);

-- What could not be carried over, by record; as JSON, because it is only ever
-- read and replaced as a whole.
CREATE TABLE freshservice_notes (
    account TEXT COLLATE "C" NOT NULL,
    type    TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    notes   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account, type, id)
);

CREATE TABLE freshservice_settings (
    account TEXT COLLATE "C" NOT NULL,
    key     TEXT COLLATE "C" NOT NULL,
    value   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account, key)
);

-- +goose Down
DROP TABLE freshservice_settings;
DROP TABLE freshservice_notes;
DROP TABLE freshservice_emails;
DROP TABLE freshservice_records;
