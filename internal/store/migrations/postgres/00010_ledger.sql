-- +goose Up

-- Apps: the configuration of enterprise applications. The secret for the target
-- is sealed.
CREATE TABLE apps (
    id      TEXT COLLATE "C" PRIMARY KEY,
    config  TEXT COLLATE "C" NOT NULL,
    schema  TEXT COLLATE "C" NOT NULL,
    secret  TEXT COLLATE "C" NOT NULL
);

CREATE TABLE assignments (
    app            TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    principal_type TEXT COLLATE "C" NOT NULL,
    principal_id   TEXT COLLATE "C" NOT NULL,
    role           TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, principal_type, principal_id)
);

-- Objects as last read from the source. mark: 0 settled, 1 to be decided, 2 to
-- be decided by the next cycle, 3 to be decided because somebody it refers to
-- arrived. removed: 0 no, 1 recycle bin, 2 gone.
CREATE TABLE objects (
    app     TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type    TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    hash    BIGINT NOT NULL,
    removed BIGINT NOT NULL,
    mark    BIGINT NOT NULL,
    body    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, type, id)
);
CREATE INDEX objects_marked ON objects (app, type, id, mark) WHERE mark > 0;
CREATE INDEX objects_gone ON objects (app, type, id) WHERE removed = 2;

-- Links from source objects to target objects.
CREATE TABLE links (
    app        TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type       TEXT COLLATE "C" NOT NULL,
    source_id  TEXT COLLATE "C" NOT NULL,
    target_id  TEXT COLLATE "C" NOT NULL,
    managed    BOOLEAN NOT NULL,
    matched_by TEXT COLLATE "C" NOT NULL,
    since      TEXT COLLATE "C" NOT NULL,
    written    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, type, source_id)
);
CREATE INDEX links_target ON links (app, type, target_id);

-- References to objects that are not in the target yet.
CREATE TABLE waiting (
    app       TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type      TEXT COLLATE "C" NOT NULL,
    source_id TEXT COLLATE "C" NOT NULL,
    attribute TEXT COLLATE "C" NOT NULL,
    ref_type  TEXT COLLATE "C" NOT NULL,
    ref_id    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, type, source_id, attribute, ref_type, ref_id)
);
CREATE INDEX waiting_for ON waiting (app, ref_type, ref_id);

-- Members as they were exported; the target's own list is never read.
CREATE TABLE memberships (
    app       TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    group_id  TEXT COLLATE "C" NOT NULL,
    member_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, group_id, member_id)
);
CREATE INDEX memberships_member ON memberships (app, member_id);

-- The target's objects under their match keys, for the matching of one cycle.
CREATE TABLE inventory (
    app       TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type      TEXT COLLATE "C" NOT NULL,
    key       TEXT COLLATE "C" NOT NULL,
    target_id TEXT COLLATE "C" NOT NULL,
    body      BYTEA,
    PRIMARY KEY (app, type, key, target_id)
);

CREATE TABLE cycles (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app       TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    kind      TEXT COLLATE "C" NOT NULL,
    state     TEXT COLLATE "C" NOT NULL,
    began     TEXT COLLATE "C" NOT NULL,
    ended     TEXT COLLATE "C" NOT NULL,
    watermark TEXT COLLATE "C" NOT NULL,
    counts    TEXT COLLATE "C" NOT NULL,
    error     TEXT COLLATE "C" NOT NULL
);
CREATE INDEX cycles_app ON cycles (app, id);
CREATE UNIQUE INDEX cycles_open ON cycles (app) WHERE state <> 'done';

-- Plans. An item with its outcome is a record of the provisioning log.
CREATE TABLE plan_items (
    cycle     BIGINT NOT NULL REFERENCES cycles (id) ON DELETE CASCADE,
    seq       BIGINT NOT NULL,
    type      TEXT COLLATE "C" NOT NULL,
    source_id TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    action    TEXT COLLATE "C" NOT NULL,
    state     TEXT COLLATE "C" NOT NULL,
    wave      BIGINT NOT NULL,
    claims    BIGINT NOT NULL,
    leased    TEXT COLLATE "C" NOT NULL,
    decision  TEXT COLLATE "C" NOT NULL,
    outcome   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (cycle, seq)
);
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
