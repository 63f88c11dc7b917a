-- +goose Up

-- Which certificate of a node is good: the one that carries this id, that of the join token by which the
-- machine came. A join writes it (API servers); a later join under the same name replaces it, and with
-- the node it goes. Nodes that joined before this table have no row; their certificates carry no id, and
-- are good as long as the node is there.
CREATE TABLE enrolment (
    node text PRIMARY KEY,
    id   text NOT NULL CHECK (id <> '')
);

-- +goose Down
-- Forward only: a downgrade is a restore.
SELECT 1 / 0;
