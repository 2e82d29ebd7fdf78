CREATE SCHEMA IF NOT EXISTS "sales";
COMMENT ON SCHEMA "sales" IS 'The orders of all shops.';
CREATE TABLE IF NOT EXISTS "sales"."orders" (
    "id" text NOT NULL,
    "changed" timestamptz NOT NULL,
    "revision" integer NOT NULL,
    "total" numeric(18,2),
    "ordered_on" date,
    "codes" text[],
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_offset" bigint NOT NULL,
    "_file_date" date NOT NULL,
    "_file_modified" timestamptz NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("id")
) WITH (fillfactor = 90);
COMMENT ON TABLE "sales"."orders" IS 'One order. (One row per /Orders/Order; of the same id, the greatest changed, revision wins; feed orders)';
COMMENT ON COLUMN "sales"."orders"."id" IS 'From @id; part of the key';
COMMENT ON COLUMN "sales"."orders"."changed" IS 'From ../@ext:changed; orders the versions of a key';
COMMENT ON COLUMN "sales"."orders"."revision" IS 'From Revision; orders the versions of a key';
COMMENT ON COLUMN "sales"."orders"."total" IS 'What the buyer''s bank pays. (From Total, else Sum/@ext:amount)';
COMMENT ON COLUMN "sales"."orders"."ordered_on" IS 'From Date';
COMMENT ON COLUMN "sales"."orders"."codes" IS 'From Code';
COMMENT ON COLUMN "sales"."orders"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "sales"."orders"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "sales"."orders"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "sales"."orders"."_offset" IS 'Where the record begins, in decoded bytes of the file or member.';
COMMENT ON COLUMN "sales"."orders"."_file_date" IS 'The date in the file''s URI; -infinity where it has none.';
COMMENT ON COLUMN "sales"."orders"."_file_modified" IS 'When the source last modified the file.';
COMMENT ON COLUMN "sales"."orders"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "sales"."orders"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "sales"."lines" (
    "id" text NOT NULL,
    "_n1" integer NOT NULL,
    "sku" text,
    "name" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("id", "_n1")
);
COMMENT ON TABLE "sales"."lines" IS 'One row per Lines/Line of orders; feed orders';
COMMENT ON COLUMN "sales"."lines"."id" IS 'Key of the row in orders that this row belongs to.';
COMMENT ON COLUMN "sales"."lines"."_n1" IS 'Position of the lines row below its parent, in document order, from 1.';
COMMENT ON COLUMN "sales"."lines"."sku" IS 'From Sku';
COMMENT ON COLUMN "sales"."lines"."name" IS 'From Name, else Label';
COMMENT ON COLUMN "sales"."lines"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "sales"."lines"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "sales"."lines"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "sales"."lines"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "sales"."lines"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "sales"."notes" (
    "id" text NOT NULL,
    "_n1" integer NOT NULL,
    "_n2" integer NOT NULL,
    "author" text,
    "text" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("id", "_n1", "_n2")
);
COMMENT ON TABLE "sales"."notes" IS 'One row per Note of lines; feed orders';
COMMENT ON COLUMN "sales"."notes"."id" IS 'Key of the row in orders that this row belongs to.';
COMMENT ON COLUMN "sales"."notes"."_n1" IS 'Position of the lines row below its parent, in document order, from 1.';
COMMENT ON COLUMN "sales"."notes"."_n2" IS 'Position of the notes row below its parent, in document order, from 1.';
COMMENT ON COLUMN "sales"."notes"."author" IS 'From ../../../Author; required';
COMMENT ON COLUMN "sales"."notes"."text" IS 'From .';
COMMENT ON COLUMN "sales"."notes"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "sales"."notes"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "sales"."notes"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "sales"."notes"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "sales"."notes"."_loaded_at" IS 'When the row was loaded.';
CREATE INDEX IF NOT EXISTS "orders__file_idx" ON "sales"."orders" USING brin ("_file");
CREATE INDEX IF NOT EXISTS "orders_total_idx" ON "sales"."orders" USING btree ("total");
CREATE INDEX IF NOT EXISTS "orders_ordered_on_total_idx" ON "sales"."orders" USING btree ("ordered_on", "total");
