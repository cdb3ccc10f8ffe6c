-- +goose Up

-- The folded displayName where the type declares it unique; null otherwise, and
-- when hidden.
ALTER TABLE resources ADD COLUMN unique_display_name TEXT COLLATE "C";
CREATE UNIQUE INDEX resources_unique_display_name ON resources (collection, unique_display_name) WHERE unique_display_name IS NOT NULL;

-- +goose Down
DROP INDEX resources_unique_display_name;
ALTER TABLE resources DROP COLUMN unique_display_name;
