-- Services, instances and subscriptions by their names; audit records and events by their index, so that
-- both are appended at the end and read from there.
-- `record` is the JSON of what nobody looks for in SQL. Moments are milliseconds since 1970.

CREATE TABLE service (
    namespace VARCHAR(128) NOT NULL,
    name      VARCHAR(128) NOT NULL,
    record    TEXT         NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;

CREATE TABLE instance (
    namespace   VARCHAR(128) NOT NULL,
    service     VARCHAR(128) NOT NULL,
    id          VARCHAR(128) NOT NULL,
    duty        VARCHAR(16)  NOT NULL,
    duty_reason TEXT         NOT NULL,
    registered  BIGINT       NOT NULL,
    updated     BIGINT       NOT NULL,
    record      TEXT         NOT NULL,
    PRIMARY KEY (namespace, service, id)
) WITHOUT ROWID;

CREATE TABLE subscription (
    id        VARCHAR(128) NOT NULL PRIMARY KEY,
    namespace VARCHAR(128) NOT NULL,
    service   VARCHAR(128) NOT NULL,
    url       TEXT         NOT NULL,
    secret    TEXT         NOT NULL,
    owner     TEXT         NOT NULL,
    created   BIGINT       NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
    position     INTEGER NOT NULL PRIMARY KEY,
    moment       BIGINT  NOT NULL,
    who          TEXT    NOT NULL,
    came_from    TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    state_before TEXT    NOT NULL,
    state_after  TEXT    NOT NULL
);

CREATE TABLE event (
    position  INTEGER NOT NULL PRIMARY KEY,
    moment    BIGINT  NOT NULL,
    kind      TEXT    NOT NULL,
    namespace VARCHAR(128),
    service   VARCHAR(128),
    instance  VARCHAR(128),
    message   TEXT    NOT NULL
);

-- One row: the highest index that may have been given out.
CREATE TABLE counter (
    name     VARCHAR(16) NOT NULL PRIMARY KEY,
    position BIGINT      NOT NULL
) WITHOUT ROWID;
