-- +goose Up

-- Apps: the configuration of enterprise applications. The secret for the target
-- is sealed.
CREATE TABLE apps (
    id      TEXT PRIMARY KEY,
    config  TEXT NOT NULL,
    schema  TEXT NOT NULL,
    secret  TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE assignments (
    app            TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    role           TEXT NOT NULL,
    PRIMARY KEY (app, principal_type, principal_id)
) WITHOUT ROWID;

-- Objects as last read from the source. mark: 0 settled, 1 to be decided, 2 to
-- be decided by the next cycle, 3 to be decided because somebody it refers to
-- arrived. removed: 0 no, 1 recycle bin, 2 gone.
CREATE TABLE objects (
    app     TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type    TEXT NOT NULL,
    id      TEXT NOT NULL,
    hash    INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    mark    INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (app, type, id)
) WITHOUT ROWID;
CREATE INDEX objects_marked ON objects (app, type, id, mark) WHERE mark > 0;
CREATE INDEX objects_gone ON objects (app, type, id) WHERE removed = 2;

-- Links from source objects to target objects.
CREATE TABLE links (
    app        TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type       TEXT NOT NULL,
    source_id  TEXT NOT NULL,
    target_id  TEXT NOT NULL,
    managed    INTEGER NOT NULL,
    matched_by TEXT NOT NULL,
    since      TEXT NOT NULL,
    written    TEXT NOT NULL,
    PRIMARY KEY (app, type, source_id)
) WITHOUT ROWID;
CREATE INDEX links_target ON links (app, type, target_id);

-- References to objects that are not in the target yet.
CREATE TABLE waiting (
    app       TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type      TEXT NOT NULL,
    source_id TEXT NOT NULL,
    attribute TEXT NOT NULL,
    ref_type  TEXT NOT NULL,
    ref_id    TEXT NOT NULL,
    PRIMARY KEY (app, type, source_id, attribute, ref_type, ref_id)
) WITHOUT ROWID;
CREATE INDEX waiting_for ON waiting (app, ref_type, ref_id);

-- Members as they were exported; the target's own list is never read.
CREATE TABLE memberships (
    app       TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    group_id  TEXT NOT NULL,
    member_id TEXT NOT NULL,
    PRIMARY KEY (app, group_id, member_id)
) WITHOUT ROWID;
CREATE INDEX memberships_member ON memberships (app, member_id);

-- The target's objects under their match keys, for the matching of one cycle.
CREATE TABLE inventory (
    app       TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type      TEXT NOT NULL,
    key       TEXT NOT NULL,
    target_id TEXT NOT NULL,
    body      BLOB,
    PRIMARY KEY (app, type, key, target_id)
) WITHOUT ROWID;

CREATE TABLE cycles (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    app       TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL,
    state     TEXT NOT NULL,
    began     TEXT NOT NULL,
    ended     TEXT NOT NULL,
    watermark TEXT NOT NULL,
    counts    TEXT NOT NULL,
    error     TEXT NOT NULL
);
CREATE INDEX cycles_app ON cycles (app, id);
CREATE UNIQUE INDEX cycles_open ON cycles (app) WHERE state <> 'done';

-- Plans. An item with its outcome is a record of the provisioning log.
CREATE TABLE plan_items (
    cycle     INTEGER NOT NULL REFERENCES cycles (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    type      TEXT NOT NULL,
    source_id TEXT NOT NULL,
    name      TEXT NOT NULL,
    action    TEXT NOT NULL,
    state     TEXT NOT NULL,
    wave      INTEGER NOT NULL,
    claims    INTEGER NOT NULL,
    leased    TEXT NOT NULL,
    decision  TEXT NOT NULL,
    outcome   TEXT NOT NULL,
    PRIMARY KEY (cycle, seq)
) WITHOUT ROWID;
CREATE INDEX plan_items_planned ON plan_items (cycle, wave, seq) WHERE state = 'planned';

-- +goose Down
DROP TABLE plan_items;
DROP TABLE cycles;
DROP TABLE inventory;
DROP TABLE memberships;
DROP TABLE waiting;
DROP TABLE links;
DROP TABLE objects;
DROP TABLE assignments;
DROP TABLE apps;
