-- +goose Up

-- The schemas that an app had before the one it has, numbered from 1.
CREATE TABLE app_schemas (
    app      TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    replaced TEXT COLLATE "C" NOT NULL, -- when the next one took its place
    schema   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, revision)
);

-- What the next cycle has to decide anew because the configuration changed:
-- one object, with a group its members too, or, where id is '', all of a type.
-- A cycle under way works by the old configuration to its end, so these are
-- turned into marks only between two cycles.
CREATE TABLE app_changes (
    app  TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type TEXT COLLATE "C" NOT NULL,
    id   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, type, id)
);

-- +goose Down
DROP TABLE app_changes;
DROP TABLE app_schemas;
