-- What is remembered of alerts: one row for each thing, by a digest of what it is known by, as its names and
-- labels may be long. `record` is its JSON. Moments are milliseconds since 1970.

CREATE TABLE alert (
    kind   VARCHAR(16) NOT NULL,
    id     CHAR(64)    NOT NULL,
    record TEXT        NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

CREATE TABLE alert_history (
    position INTEGER NOT NULL PRIMARY KEY,
    moment   BIGINT  NOT NULL,
    record   TEXT    NOT NULL
);
