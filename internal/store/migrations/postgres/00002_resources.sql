-- +goose Up

-- Text compares byte by byte, as in Go.

-- One row for each account and resource type. A number is never used again,
-- so that a request still running for a removed account reaches nothing.
CREATE TABLE collections (
    num     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account TEXT COLLATE "C",           -- null: its account is being removed
    type    TEXT COLLATE "C" NOT NULL,
    last    BIGINT NOT NULL DEFAULT 0,  -- number of the newest resource, counting the deleted
    total   BIGINT NOT NULL DEFAULT 0,  -- resources that clients see
    UNIQUE (account, type)
) WITH (fillfactor = 50);               -- room for the next versions of a row in its page

-- seq is collection << 40 | number: resources of one collection lie together,
-- in the order in which they were created.
CREATE TABLE resources (
    seq              BIGINT PRIMARY KEY,
    collection       BIGINT NOT NULL,
    id               TEXT COLLATE "C" NOT NULL,
    version          BIGINT NOT NULL,
    created          BIGINT NOT NULL,
    modified         BIGINT NOT NULL,
    hidden           BOOLEAN NOT NULL DEFAULT FALSE, -- exists for a mirror, not for clients
    active           BOOLEAN,
    user_name_key    TEXT COLLATE "C",                -- keys are folded; null when hidden
    external_id      TEXT COLLATE "C",
    display_name_key TEXT COLLATE "C",
    body             TEXT COLLATE "C" NOT NULL,       -- JSON without id, meta, members and groups
    -- Of 18.6 hours. An update that changes no indexed column stays within its
    -- page and writes to no index; the time itself would always change.
    modified_day     BIGINT GENERATED ALWAYS AS (modified >> 26) STORED
) WITH (fillfactor = 90);

CREATE UNIQUE INDEX resources_id ON resources (collection, id);
CREATE UNIQUE INDEX resources_user_name ON resources (collection, user_name_key);
CREATE INDEX resources_external_id ON resources (collection, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX resources_display_name ON resources (collection, display_name_key) WHERE display_name_key IS NOT NULL;
CREATE INDEX resources_modified ON resources (collection, modified_day);

CREATE TABLE emails (
    collection BIGINT NOT NULL,
    email_key  TEXT COLLATE "C" NOT NULL,
    seq        BIGINT NOT NULL,
    PRIMARY KEY (collection, email_key, seq)
);

CREATE TABLE members (
    group_seq  BIGINT NOT NULL,
    member_seq BIGINT NOT NULL,
    PRIMARY KEY (group_seq, member_seq)
);

CREATE INDEX members_member ON members (member_seq, group_seq);

-- How many visible resources each 512 consecutive numbers hold: the page that
-- starts at the n-th resource is found by adding up a few of these.
CREATE TABLE blocks (
    collection BIGINT NOT NULL,
    block      BIGINT NOT NULL,
    n          BIGINT NOT NULL,
    PRIMARY KEY (collection, block)
) WITH (fillfactor = 50);

-- +goose Down
DROP TABLE blocks;
DROP TABLE members;
DROP TABLE emails;
DROP TABLE resources;
DROP TABLE collections;
