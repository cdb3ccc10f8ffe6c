-- +goose Up

-- The schemas that an app had before the one it has, numbered from 1.
CREATE TABLE app_schemas (
    app      TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    replaced TEXT NOT NULL, -- when the next one took its place
    schema   TEXT NOT NULL,
    PRIMARY KEY (app, revision)
);

-- What the next cycle has to decide anew because the configuration changed:
-- one object, with a group its members too, or, where id is '', all of a type.
-- A cycle under way works by the old configuration to its end, so these are
-- turned into marks only between two cycles.
CREATE TABLE app_changes (
    app  TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    id   TEXT NOT NULL,
    PRIMARY KEY (app, type, id)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE app_changes;
DROP TABLE app_schemas;
