-- The tables of the ledger and the quarantine. See docs/ledger.md for the questions that they answer.
-- Every statement may be run again: this file also brings the ledger of an older release up to date. Whoever changes it
-- counts up ledger.VERSION. Views are replaced, not dropped: others may have built on them, and granted them. Columns are
-- added at their end.
CREATE SCHEMA IF NOT EXISTS sluice;

CREATE TABLE IF NOT EXISTS sluice.mappings (
    feed text NOT NULL, generation integer NOT NULL, hash text NOT NULL, document jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed, generation));
COMMENT ON TABLE sluice.mappings IS 'Every mapping a feed has had; generation grows with each change of what decides rows.';

CREATE TABLE IF NOT EXISTS sluice.runs (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed text NOT NULL, run_key text NOT NULL, generation integer NOT NULL, edition text NOT NULL DEFAULT '',
    reload text NOT NULL DEFAULT 'no', dry_run boolean NOT NULL DEFAULT false, request jsonb NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'failed')), error text,
    files bigint NOT NULL DEFAULT 0, files_quarantined bigint NOT NULL DEFAULT 0,
    found bigint NOT NULL DEFAULT 0, loaded bigint NOT NULL DEFAULT 0, quarantined bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0, unaccounted_parts bigint NOT NULL DEFAULT 0,
    inserted bigint NOT NULL DEFAULT 0, updated bigint NOT NULL DEFAULT 0, unchanged bigint NOT NULL DEFAULT 0,
    superseded bigint NOT NULL DEFAULT 0, deleted bigint NOT NULL DEFAULT 0, bytes_read bigint NOT NULL DEFAULT 0,
    UNIQUE (feed, run_key));
ALTER TABLE sluice.runs DROP COLUMN IF EXISTS unmapped, ADD COLUMN IF NOT EXISTS drift jsonb,
    ADD COLUMN IF NOT EXISTS metrics jsonb;
COMMENT ON COLUMN sluice.runs.metrics IS 'What of the run has been sent as metrics, and when; null where nothing has.';
COMMENT ON TABLE sluice.runs IS 'One row per run of a feed: what was asked, what came of it, in files and records.';
CREATE INDEX IF NOT EXISTS runs_feed_started_idx ON sluice.runs (feed, started_at);

CREATE TABLE IF NOT EXISTS sluice.drift (
    feed text NOT NULL, kind text NOT NULL CHECK (kind IN ('element', 'attribute', 'namespace', 'empty_column')),
    path text NOT NULL, count bigint NOT NULL, runs bigint NOT NULL, first_run bigint NOT NULL,
    first_seen_at timestamptz NOT NULL, first_uri text, first_member text, first_record bigint, first_line bigint,
    last_run bigint NOT NULL, last_seen_at timestamptz NOT NULL, reported_in bigint,
    state text NOT NULL GENERATED ALWAYS AS (CASE WHEN reported_in >= last_run THEN 'new' ELSE 'known' END) STORED,
    PRIMARY KEY (feed, kind, path));
COMMENT ON TABLE sluice.drift IS 'What a feed''s files hold and its mapping does not know, and columns that went empty: how often in all, first and last. reported_in is the run that warned of it; null for what the first run found.';
CREATE INDEX IF NOT EXISTS drift_reported_idx ON sluice.drift (reported_in);

CREATE TABLE IF NOT EXISTS sluice.files (
    file_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed text NOT NULL, uri text NOT NULL, version text NOT NULL, size_bytes bigint NOT NULL,
    modified_at timestamptz NOT NULL, file_date date NOT NULL DEFAULT '-infinity', sha256 text,
    part_count integer, listed_by bigint NOT NULL, listed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (feed, uri, version));
CREATE INDEX IF NOT EXISTS files_listed_idx ON sluice.files (feed, listed_at);
COMMENT ON TABLE sluice.files IS 'Every file version that was ever listed. part_count is known once the file has been split.';

CREATE TABLE IF NOT EXISTS sluice.manifest (
    run_id bigint NOT NULL, file_id bigint NOT NULL, PRIMARY KEY (run_id, file_id));
COMMENT ON TABLE sluice.manifest IS 'Which files a run took on.';

CREATE TABLE IF NOT EXISTS sluice.parts (
    part_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id bigint NOT NULL, member text NOT NULL DEFAULT '', start_byte bigint NOT NULL DEFAULT 0, end_byte bigint,
    context bytea NOT NULL DEFAULT '', tail bytea NOT NULL DEFAULT '',
    first_record bigint NOT NULL DEFAULT 1, first_line bigint NOT NULL DEFAULT 1, is_spooled boolean NOT NULL DEFAULT false,
    UNIQUE (file_id, member, start_byte));
COMMENT ON TABLE sluice.parts IS 'Where each file was cut; byte positions count decoded bytes. Cuts never change once stored.';

CREATE TABLE IF NOT EXISTS sluice.batches (
    run_id bigint NOT NULL, number integer NOT NULL, parts bigint[] NOT NULL, bytes bigint NOT NULL,
    PRIMARY KEY (run_id, number));
ALTER TABLE sluice.batches DROP COLUMN IF EXISTS trial, ADD COLUMN IF NOT EXISTS totals jsonb,
    ADD COLUMN IF NOT EXISTS committed_at timestamptz;
COMMENT ON COLUMN sluice.batches.committed_at IS 'When load had committed the batch; null for batches of a run that is published as one.';
COMMENT ON TABLE sluice.batches IS 'Which parts each mapped task of a run handles; totals holds what a dry run would have done with them, or what a replay did.';

CREATE TABLE IF NOT EXISTS sluice.loads (
    part_id bigint NOT NULL, edition text NOT NULL DEFAULT '', run_id bigint NOT NULL, generation integer NOT NULL,
    state text NOT NULL CHECK (state IN ('loaded', 'quarantined')),
    found bigint NOT NULL DEFAULT 0, quarantined bigint NOT NULL DEFAULT 0,
    inserted bigint NOT NULL DEFAULT 0, updated bigint NOT NULL DEFAULT 0, unchanged bigint NOT NULL DEFAULT 0,
    superseded bigint NOT NULL DEFAULT 0, deleted bigint NOT NULL DEFAULT 0,
    loaded bigint GENERATED ALWAYS AS (inserted + updated + unchanged + superseded + deleted) STORED,
    bytes_read bigint NOT NULL DEFAULT 0, sha256 text, loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (part_id, edition));
COMMENT ON TABLE sluice.loads IS 'The ledger proper: a row here commits together with the data of its part.';
CREATE INDEX IF NOT EXISTS loads_run_idx ON sluice.loads (run_id);
ALTER TABLE sluice.loads ADD COLUMN IF NOT EXISTS release_note text;
COMMENT ON COLUMN sluice.loads.release_note IS 'Why a person let this load pass, whatever the gate and the limits said; null where nobody had to.';

CREATE TABLE IF NOT EXISTS sluice.holds (
    part_id bigint PRIMARY KEY, run_id bigint NOT NULL, generation integer NOT NULL, found bigint NOT NULL,
    reason text NOT NULL, held_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE sluice.holds ADD COLUMN IF NOT EXISTS is_released boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS note text;
-- Older releases left here what a person had released and a run had loaded.
WITH spent AS (
    DELETE FROM sluice.holds h WHERE h.is_released
        AND EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = h.part_id AND l.loaded_at > h.held_at) RETURNING *)
UPDATE sluice.loads l SET release_note = coalesce(spent.note, '') FROM spent
    WHERE l.part_id = spent.part_id AND l.generation = spent.generation AND l.loaded_at > spent.held_at;
COMMENT ON TABLE sluice.holds IS 'Parts that a shut gate or a refused run keeps out until the mapping changes or a person releases them. The load that takes a part on removes its row.';

CREATE TABLE IF NOT EXISTS sluice.quarantine (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed text NOT NULL, file_id bigint NOT NULL, part_id bigint NOT NULL, run_id bigint NOT NULL, generation integer NOT NULL,
    member text NOT NULL, ordinal bigint, line bigint, start_byte bigint, end_byte bigint,
    code text NOT NULL, message text NOT NULL, reasons jsonb NOT NULL,
    raw bytea, raw_is_whole boolean NOT NULL, context bytea, records bigint NOT NULL,
    state text NOT NULL DEFAULT 'open',
    note text, created_at timestamptz NOT NULL DEFAULT now(), closed_at timestamptz);
ALTER TABLE sluice.quarantine DROP CONSTRAINT IF EXISTS quarantine_state_check;
ALTER TABLE sluice.quarantine
    ADD CONSTRAINT quarantine_state_check CHECK (state IN ('open', 'held', 'replayed', 'dismissed'));
COMMENT ON TABLE sluice.quarantine IS 'Rejected records (ordinal set) and rejected files or parts (ordinal null), raw, with reason and place.';
-- One entry for each place: what fails again keeps its entry, with the new reason.
-- Not by ordinal, which depends on what the mapping takes for records.
DROP INDEX IF EXISTS sluice.quarantine_place_idx;
CREATE UNIQUE INDEX IF NOT EXISTS quarantine_offset_idx ON sluice.quarantine
    (part_id, member, (CASE WHEN ordinal IS NULL THEN -1 ELSE start_byte END)) WHERE state <> 'replayed';
CREATE INDEX IF NOT EXISTS quarantine_feed_idx ON sluice.quarantine (feed, state, code);
CREATE INDEX IF NOT EXISTS quarantine_file_idx ON sluice.quarantine (file_id);
CREATE INDEX IF NOT EXISTS quarantine_run_idx ON sluice.quarantine (run_id);

-- A load keeps to itself what it quarantined whole, since the entry goes on to whoever rejects the same again.
DO $$ BEGIN IF NOT EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = 'sluice.loads'::regclass AND attname = 'quarantined_whole') THEN
    ALTER TABLE sluice.loads ADD COLUMN quarantined_whole text[] NOT NULL DEFAULT '{}';
    UPDATE sluice.loads l SET quarantined_whole = w.members
        FROM (SELECT l.part_id, l.edition, array_agg(DISTINCT q.member) AS members
            FROM sluice.loads l JOIN sluice.quarantine q USING (part_id)
            WHERE q.ordinal IS NULL AND (q.run_id = l.run_id OR l.state = 'quarantined') GROUP BY 1, 2) w
        WHERE (l.part_id, l.edition) = (w.part_id, w.edition);
END IF; END $$;
COMMENT ON COLUMN sluice.loads.quarantined_whole IS 'The archive members that this load quarantined whole; an empty text for the part itself.';

CREATE TABLE IF NOT EXISTS sluice.totals (
    part_id bigint NOT NULL, member text NOT NULL, path text NOT NULL, measure text NOT NULL, run_id bigint NOT NULL,
    stated numeric, unreadable bigint NOT NULL, found numeric NOT NULL, PRIMARY KEY (part_id, member, path, measure));
COMMENT ON TABLE sluice.totals IS 'What the senders'' totals say and what was found, by part: stated is null where the part states nothing, unreadable counts what stands there and is no number. A row commits together with the load of its part.';
CREATE INDEX IF NOT EXISTS totals_run_idx ON sluice.totals (run_id);

CREATE TABLE IF NOT EXISTS sluice.replays (
    run_id bigint NOT NULL, entry_id bigint NOT NULL, code text NOT NULL, message text NOT NULL,
    outcome text CHECK (outcome IN ('loaded', 'rejected', 'held', 'closed')), PRIMARY KEY (run_id, entry_id));
COMMENT ON TABLE sluice.replays IS 'Which entries a replay took on, the reason that each had before, and what came of it (held: by the gate, with its part; closed: somebody else had dealt with it), or in a dry run would come.';
CREATE INDEX IF NOT EXISTS replays_entry_idx ON sluice.replays (entry_id);

CREATE TABLE IF NOT EXISTS sluice.arrivals (
    arrival_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uri text COLLATE "C" NOT NULL, etag text NOT NULL, sequencer text NOT NULL, announced_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(), UNIQUE (uri, etag, sequencer));
COMMENT ON TABLE sluice.arrivals IS 'The inbox: every object that S3 has announced, once, whichever feed it concerns. Goes when nobody needs it any more.';
CREATE INDEX IF NOT EXISTS arrivals_recorded_idx ON sluice.arrivals (recorded_at);

CREATE TABLE IF NOT EXISTS sluice.taken_arrivals (
    feed text NOT NULL, arrival_id bigint NOT NULL, run_id bigint NOT NULL, PRIMARY KEY (feed, arrival_id));
COMMENT ON TABLE sluice.taken_arrivals IS 'Which announcements a feed''s runs have taken on; the row commits together with the manifest of the run.';
CREATE INDEX IF NOT EXISTS taken_arrivals_arrival_idx ON sluice.taken_arrivals (arrival_id);

CREATE TABLE IF NOT EXISTS sluice.alerts (
    alert_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed text NOT NULL, kind text NOT NULL, key text NOT NULL, gist text NOT NULL, subject text NOT NULL, alert jsonb NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(), last_seen_at timestamptz NOT NULL DEFAULT now(), times bigint NOT NULL DEFAULT 1,
    sent_at timestamptz NOT NULL DEFAULT now(), unsent text[] NOT NULL DEFAULT '{}', closed_at timestamptz);
ALTER TABLE sluice.alerts ADD COLUMN IF NOT EXISTS tried_at timestamptz;
COMMENT ON COLUMN sluice.alerts.tried_at IS 'When the channels in unsent were tried again; null where they never were.';
COMMENT ON TABLE sluice.alerts IS 'One row per cause of alerts: what is broken, since when, how often it was met and when it was told last; closed once it works again. unsent are the channels that have not got the last message.';
-- What makes sure that of several that meet the same at once only one tells of it.
CREATE UNIQUE INDEX IF NOT EXISTS alerts_open_idx ON sluice.alerts (feed, kind, key) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS alerts_opened_idx ON sluice.alerts (feed, opened_at);
CREATE INDEX IF NOT EXISTS alerts_unsent_idx ON sluice.alerts (sent_at) WHERE unsent <> '{}';

CREATE TABLE IF NOT EXISTS sluice.watched (feed text PRIMARY KEY, since timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE sluice.watched IS 'Feeds with silence_hours of which no file has come yet, and when watch looked for one first.';

CREATE OR REPLACE VIEW sluice.latest_loads AS
    SELECT DISTINCT ON (part_id) * FROM sluice.loads ORDER BY part_id, generation DESC, loaded_at DESC;
COMMENT ON VIEW sluice.latest_loads IS 'The load of each part that stands: the last one under the latest mapping.';

CREATE OR REPLACE VIEW sluice.file_totals AS
    SELECT f.file_id, f.feed, f.uri, f.version, t.member, t.path, t.measure, sum(t.stated) AS stated, sum(t.found) AS found,
        sum(t.unreadable)::bigint AS unreadable, max(t.run_id) AS run_id,
        count(*) >= (SELECT count(*) FROM sluice.parts q WHERE q.file_id = f.file_id AND q.member = t.member) AS is_complete
    FROM sluice.totals t JOIN sluice.parts p USING (part_id) JOIN sluice.files f USING (file_id)
    GROUP BY f.file_id, t.member, t.path, t.measure;
COMMENT ON VIEW sluice.file_totals IS 'What each file says of itself in its totals, and what was found in it. Not is_complete: some part of it is not loaded.';

CREATE OR REPLACE VIEW sluice.file_states AS
    SELECT f.file_id, f.feed, f.uri, f.version, f.size_bytes, f.modified_at, nullif(f.file_date, '-infinity') AS file_date,
        f.listed_at, f.part_count, count(l.part_id) AS parts_done, count(h.part_id) AS parts_held,
        coalesce(sum(l.found), 0) + coalesce(sum(h.found), 0) AS found, coalesce(sum(l.loaded), 0) AS loaded, coalesce(sum(l.quarantined), 0) AS quarantined,
        CASE WHEN count(h.part_id) > 0 THEN 'held'
             WHEN f.part_count IS NULL OR count(l.part_id) < f.part_count THEN 'open'
             WHEN count(*) FILTER (WHERE l.state = 'quarantined') = 0 THEN 'loaded'
             WHEN count(*) FILTER (WHERE l.state = 'loaded') = 0 THEN 'quarantined' ELSE 'partial' END AS state,
        coalesce(sum(h.found), 0) AS held
    FROM sluice.files f LEFT JOIN sluice.parts p USING (file_id)
    LEFT JOIN LATERAL (SELECT * FROM sluice.loads WHERE loads.part_id = p.part_id ORDER BY generation DESC, loaded_at DESC LIMIT 1) l ON true
    LEFT JOIN sluice.holds h ON h.part_id = p.part_id AND l.part_id IS NULL
    GROUP BY f.file_id;
COMMENT ON VIEW sluice.file_states IS 'What became of each file: open, loaded, quarantined, partial or held, with its counts.';
