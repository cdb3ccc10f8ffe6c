-- +goose Up

-- One row for each account and resource type. A number is never used again,
-- so that a request still running for a removed account reaches nothing.
CREATE TABLE collections (
    num     INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT,                        -- null: its account is being removed
    type    TEXT NOT NULL,
    last    INTEGER NOT NULL DEFAULT 0,  -- number of the newest resource, counting the deleted
    total   INTEGER NOT NULL DEFAULT 0,  -- resources that clients see
    UNIQUE (account, type)
) STRICT;

-- seq is collection << 40 | number: resources of one collection lie together,
-- in the order in which they were created.
CREATE TABLE resources (
    seq              INTEGER PRIMARY KEY,
    collection       INTEGER NOT NULL,
    id               TEXT NOT NULL,
    version          INTEGER NOT NULL,
    created          INTEGER NOT NULL,
    modified         INTEGER NOT NULL,
    hidden           INTEGER NOT NULL DEFAULT 0, -- exists for a mirror, not for clients
    active           INTEGER,
    user_name_key    TEXT,                       -- keys are folded; null when hidden
    external_id      TEXT,
    display_name_key TEXT,
    body             TEXT NOT NULL               -- JSON without id, meta, members and groups
) STRICT;

CREATE UNIQUE INDEX resources_id ON resources (collection, id);
CREATE UNIQUE INDEX resources_user_name ON resources (collection, user_name_key);
CREATE INDEX resources_external_id ON resources (collection, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX resources_display_name ON resources (collection, display_name_key) WHERE display_name_key IS NOT NULL;
CREATE INDEX resources_modified ON resources (collection, modified);

CREATE TABLE emails (
    collection INTEGER NOT NULL,
    email_key  TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (collection, email_key, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    group_seq  INTEGER NOT NULL,
    member_seq INTEGER NOT NULL,
    PRIMARY KEY (group_seq, member_seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_member ON members (member_seq, group_seq);

-- How many visible resources each 512 consecutive numbers hold: the page that
-- starts at the n-th resource is found by adding up a few of these.
CREATE TABLE blocks (
    collection INTEGER NOT NULL,
    block      INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    PRIMARY KEY (collection, block)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE blocks;
DROP TABLE members;
DROP TABLE emails;
DROP TABLE resources;
DROP TABLE collections;
