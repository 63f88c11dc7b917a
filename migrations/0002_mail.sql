-- +goose Up

-- Mails on their way: written by the leader in the transaction of what they tell of, deleted once
-- sent. A mail whose sender dies comes due again, so that it may be sent twice but is never lost.
CREATE TABLE mail (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id     bigint  NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    idx        bigint  NOT NULL, -- array index, -1 for the whole job
    attempt    integer NOT NULL, -- 0 for the whole job
    event      text    NOT NULL,
    state      text    NOT NULL,
    message    text    NOT NULL,
    at         timestamptz NOT NULL,
    not_before timestamptz NOT NULL,
    tries      integer NOT NULL DEFAULT 0
);
CREATE INDEX mail_due ON mail (not_before, id);

-- +goose Down
-- Forward only: a downgrade is a restore.
SELECT 1 / 0;
