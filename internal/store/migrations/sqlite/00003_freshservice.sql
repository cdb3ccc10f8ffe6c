-- +goose Up
CREATE TABLE freshservice_records (
    seq    INTEGER PRIMARY KEY,
    record BLOB NOT NULL
) STRICT;

-- All addresses a person holds in Freshservice, hidden people included. An
-- address belongs to one person there.
CREATE TABLE freshservice_emails (
    collection INTEGER NOT NULL,
    email_key  TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (collection, email_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX freshservice_emails_seq ON freshservice_emails (seq);

-- What could not be carried over, by record; as JSON, because it is only ever
-- read and replaced as a whole.
CREATE TABLE freshservice_notes (
    account TEXT NOT NULL,
    type    TEXT NOT NULL,
    id      TEXT NOT NULL,
    notes   TEXT NOT NULL,
    PRIMARY KEY (account, type, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE freshservice_settings (
    account TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE freshservice_settings;
DROP TABLE freshservice_notes;
DROP TABLE freshservice_emails;
DROP TABLE freshservice_records;
