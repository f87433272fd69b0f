BEGIN;

CREATE TABLE clients (
    id   uuid PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE codebook_items (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id  uuid NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    code       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMIT;
