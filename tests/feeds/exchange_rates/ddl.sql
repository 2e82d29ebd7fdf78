CREATE SCHEMA IF NOT EXISTS "exchange_rates";
COMMENT ON SCHEMA "exchange_rates" IS 'The European Central Bank''s euro reference rates: what one euro costs in some thirty currencies, each working day.
The daily file and the historical one (all days since 1999) have the same shape, and both load: a day''s own file
has a date in its URI and therefore wins over the history.

**From the landing bucket** (as it stands): one file a day, named by its date; a backfill takes past days.
**From the bank itself**, where there is a network: trigger the DAG by hand with
`https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.xml` as the URI, once, for all days; and put
`https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml` under `source: uri:` for every day from then on.';
CREATE TABLE IF NOT EXISTS "exchange_rates"."rates" (
    "rate_date" date NOT NULL,
    "currency" text NOT NULL,
    "rate" numeric(20,8),
    "publisher" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_offset" bigint NOT NULL,
    "_file_date" date NOT NULL,
    "_file_modified" timestamptz NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("rate_date", "currency")
) WITH (fillfactor = 90);
COMMENT ON TABLE "exchange_rates"."rates" IS 'What one euro costs in another currency on a day. (One row per /gesmes:Envelope/Cube/Cube/Cube; of the same rate_date, currency, the newest file wins; feed exchange_rates)';
COMMENT ON COLUMN "exchange_rates"."rates"."rate_date" IS 'From ../@time; part of the key; required';
COMMENT ON COLUMN "exchange_rates"."rates"."currency" IS 'ISO 4217. (From @currency; part of the key; required)';
COMMENT ON COLUMN "exchange_rates"."rates"."rate" IS 'Units of the currency for one euro. (From @rate; required)';
COMMENT ON COLUMN "exchange_rates"."rates"."publisher" IS 'From ../../../gesmes:Sender/gesmes:name';
COMMENT ON COLUMN "exchange_rates"."rates"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "exchange_rates"."rates"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "exchange_rates"."rates"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "exchange_rates"."rates"."_offset" IS 'Where the record begins, in decoded bytes of the file or member.';
COMMENT ON COLUMN "exchange_rates"."rates"."_file_date" IS 'The date in the file''s URI; -infinity where it has none.';
COMMENT ON COLUMN "exchange_rates"."rates"."_file_modified" IS 'When the source last modified the file.';
COMMENT ON COLUMN "exchange_rates"."rates"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "exchange_rates"."rates"."_loaded_at" IS 'When the row was loaded.';
CREATE INDEX IF NOT EXISTS "rates__file_idx" ON "exchange_rates"."rates" USING brin ("_file");
CREATE INDEX IF NOT EXISTS "rates_currency_rate_date_idx" ON "exchange_rates"."rates" USING btree ("currency", "rate_date");
