CREATE SCHEMA IF NOT EXISTS "legal_entities";
COMMENT ON SCHEMA "legal_entities" IS 'The world''s legal entities, as GLEIF publishes them: the LEI Common Data File format, versions 2.1 to 3.1 (one
namespace for all). One file holds millions of records; full files and deltas are read alike. An entity is known by
its LEI, and of its records the one with the newest `last_update_date` counts, whichever file it came in.';
CREATE TABLE IF NOT EXISTS "legal_entities"."entities" (
    "lei" text NOT NULL,
    "legal_name" text,
    "legal_name_language" text,
    "legal_address_line" text,
    "legal_address_more" text[],
    "legal_city" text,
    "legal_region" text,
    "legal_country" text,
    "legal_postal_code" text,
    "headquarters_address_line" text,
    "headquarters_address_more" text[],
    "headquarters_city" text,
    "headquarters_region" text,
    "headquarters_country" text,
    "headquarters_postal_code" text,
    "registration_authority" text,
    "registration_number" text,
    "jurisdiction" text,
    "category" text,
    "sub_category" text,
    "legal_form_code" text,
    "legal_form_other" text,
    "associated_lei" text,
    "associated_type" text,
    "entity_status" text,
    "created_at" timestamptz,
    "expired_at" timestamptz,
    "expiration_reason" text,
    "successor_leis" text[],
    "successor_names" text[],
    "initial_registration_date" timestamptz,
    "last_update_date" timestamptz NOT NULL,
    "registration_status" text,
    "next_renewal_date" timestamptz,
    "managing_lou" text,
    "validation_sources" text,
    "validation_authority" text,
    "other_validation_authorities" text[],
    "content_date" timestamptz,
    "file_content" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_offset" bigint NOT NULL,
    "_file_date" date NOT NULL,
    "_file_modified" timestamptz NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("lei")
) WITH (fillfactor = 90);
COMMENT ON TABLE "legal_entities"."entities" IS 'One row per legal entity, the newest known state of its record. (One row per /LEIData/LEIRecords/LEIRecord; of the same lei, the greatest last_update_date wins; feed legal_entities)';
COMMENT ON COLUMN "legal_entities"."entities"."lei" IS 'Legal Entity Identifier (ISO 17442). (From LEI; part of the key; required)';
COMMENT ON COLUMN "legal_entities"."entities"."legal_name" IS 'From Entity/LegalName; required';
COMMENT ON COLUMN "legal_entities"."entities"."legal_name_language" IS 'From Entity/LegalName/@xml:lang';
COMMENT ON COLUMN "legal_entities"."entities"."legal_address_line" IS 'From Entity/LegalAddress/FirstAddressLine';
COMMENT ON COLUMN "legal_entities"."entities"."legal_address_more" IS 'From Entity/LegalAddress/AdditionalAddressLine';
COMMENT ON COLUMN "legal_entities"."entities"."legal_city" IS 'From Entity/LegalAddress/City';
COMMENT ON COLUMN "legal_entities"."entities"."legal_region" IS 'ISO 3166-2, such as NG-LA. (From Entity/LegalAddress/Region)';
COMMENT ON COLUMN "legal_entities"."entities"."legal_country" IS 'ISO 3166-1. (From Entity/LegalAddress/Country; required)';
COMMENT ON COLUMN "legal_entities"."entities"."legal_postal_code" IS 'From Entity/LegalAddress/PostalCode';
COMMENT ON COLUMN "legal_entities"."entities"."headquarters_address_line" IS 'From Entity/HeadquartersAddress/FirstAddressLine';
COMMENT ON COLUMN "legal_entities"."entities"."headquarters_address_more" IS 'From Entity/HeadquartersAddress/AdditionalAddressLine';
COMMENT ON COLUMN "legal_entities"."entities"."headquarters_city" IS 'From Entity/HeadquartersAddress/City';
COMMENT ON COLUMN "legal_entities"."entities"."headquarters_region" IS 'From Entity/HeadquartersAddress/Region';
COMMENT ON COLUMN "legal_entities"."entities"."headquarters_country" IS 'From Entity/HeadquartersAddress/Country';
COMMENT ON COLUMN "legal_entities"."entities"."headquarters_postal_code" IS 'From Entity/HeadquartersAddress/PostalCode';
COMMENT ON COLUMN "legal_entities"."entities"."registration_authority" IS 'The business register, by GLEIF''s code. (From Entity/RegistrationAuthority/RegistrationAuthorityID)';
COMMENT ON COLUMN "legal_entities"."entities"."registration_number" IS 'The entity''s number in that register. (From Entity/RegistrationAuthority/RegistrationAuthorityEntityID)';
COMMENT ON COLUMN "legal_entities"."entities"."jurisdiction" IS 'From Entity/LegalJurisdiction';
COMMENT ON COLUMN "legal_entities"."entities"."category" IS 'GENERAL, FUND, BRANCH, SOLE_PROPRIETOR, … (From Entity/EntityCategory)';
COMMENT ON COLUMN "legal_entities"."entities"."sub_category" IS 'From Entity/EntitySubCategory';
COMMENT ON COLUMN "legal_entities"."entities"."legal_form_code" IS 'ISO 20275; 8888 for none of its forms. (From Entity/LegalForm/EntityLegalFormCode)';
COMMENT ON COLUMN "legal_entities"."entities"."legal_form_other" IS 'From Entity/LegalForm/OtherLegalForm';
COMMENT ON COLUMN "legal_entities"."entities"."associated_lei" IS 'From Entity/AssociatedEntity/AssociatedLEI';
COMMENT ON COLUMN "legal_entities"."entities"."associated_type" IS 'From Entity/AssociatedEntity/@type';
COMMENT ON COLUMN "legal_entities"."entities"."entity_status" IS 'ACTIVE, INACTIVE or NULL (a text). (From Entity/EntityStatus; required)';
COMMENT ON COLUMN "legal_entities"."entities"."created_at" IS 'When the entity was founded (from version 3.0 on). (From Entity/EntityCreationDate)';
COMMENT ON COLUMN "legal_entities"."entities"."expired_at" IS 'From Entity/EntityExpirationDate';
COMMENT ON COLUMN "legal_entities"."entities"."expiration_reason" IS 'From Entity/EntityExpirationReason';
COMMENT ON COLUMN "legal_entities"."entities"."successor_leis" IS 'From Entity/SuccessorEntity/SuccessorLEI';
COMMENT ON COLUMN "legal_entities"."entities"."successor_names" IS 'From Entity/SuccessorEntity/SuccessorEntityName';
COMMENT ON COLUMN "legal_entities"."entities"."initial_registration_date" IS 'From Registration/InitialRegistrationDate';
COMMENT ON COLUMN "legal_entities"."entities"."last_update_date" IS 'When the record was last changed; the newest of an LEI wins. (From Registration/LastUpdateDate; orders the versions of a key; required)';
COMMENT ON COLUMN "legal_entities"."entities"."registration_status" IS 'From Registration/RegistrationStatus; required';
COMMENT ON COLUMN "legal_entities"."entities"."next_renewal_date" IS 'From Registration/NextRenewalDate';
COMMENT ON COLUMN "legal_entities"."entities"."managing_lou" IS 'LEI of the issuer that keeps the record. (From Registration/ManagingLOU)';
COMMENT ON COLUMN "legal_entities"."entities"."validation_sources" IS 'From Registration/ValidationSources';
COMMENT ON COLUMN "legal_entities"."entities"."validation_authority" IS 'From Registration/ValidationAuthority/ValidationAuthorityID';
COMMENT ON COLUMN "legal_entities"."entities"."other_validation_authorities" IS 'From Registration/OtherValidationAuthorities/OtherValidationAuthority/ValidationAuthorityID';
COMMENT ON COLUMN "legal_entities"."entities"."content_date" IS 'The state that the file shows. (From ../../LEIHeader/ContentDate)';
COMMENT ON COLUMN "legal_entities"."entities"."file_content" IS 'Whether the file was full or a delta. (From ../../LEIHeader/FileContent)';
COMMENT ON COLUMN "legal_entities"."entities"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "legal_entities"."entities"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "legal_entities"."entities"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "legal_entities"."entities"."_offset" IS 'Where the record begins, in decoded bytes of the file or member.';
COMMENT ON COLUMN "legal_entities"."entities"."_file_date" IS 'The date in the file''s URI; -infinity where it has none.';
COMMENT ON COLUMN "legal_entities"."entities"."_file_modified" IS 'When the source last modified the file.';
COMMENT ON COLUMN "legal_entities"."entities"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "legal_entities"."entities"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "legal_entities"."other_names" (
    "lei" text NOT NULL,
    "_n1" integer NOT NULL,
    "name" text,
    "type" text,
    "language" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("lei", "_n1")
);
COMMENT ON TABLE "legal_entities"."other_names" IS 'Names in other languages, former names and trading names. (One row per Entity/OtherEntityNames/OtherEntityName of entities; feed legal_entities)';
COMMENT ON COLUMN "legal_entities"."other_names"."lei" IS 'Key of the row in entities that this row belongs to.';
COMMENT ON COLUMN "legal_entities"."other_names"."_n1" IS 'Position of the other_names row below its parent, in document order, from 1.';
COMMENT ON COLUMN "legal_entities"."other_names"."name" IS 'From .; required';
COMMENT ON COLUMN "legal_entities"."other_names"."type" IS 'From @type';
COMMENT ON COLUMN "legal_entities"."other_names"."language" IS 'From @xml:lang';
COMMENT ON COLUMN "legal_entities"."other_names"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "legal_entities"."other_names"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "legal_entities"."other_names"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "legal_entities"."other_names"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "legal_entities"."other_names"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "legal_entities"."transliterated_names" (
    "lei" text NOT NULL,
    "_n1" integer NOT NULL,
    "name" text,
    "type" text,
    "language" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("lei", "_n1")
);
COMMENT ON TABLE "legal_entities"."transliterated_names" IS 'Names in Latin letters. (One row per Entity/TransliteratedOtherEntityNames/TransliteratedOtherEntityName of entities; feed legal_entities)';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."lei" IS 'Key of the row in entities that this row belongs to.';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."_n1" IS 'Position of the transliterated_names row below its parent, in document order, from 1.';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."name" IS 'From .; required';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."type" IS 'From @type';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."language" IS 'From @xml:lang';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "legal_entities"."transliterated_names"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "legal_entities"."other_addresses" (
    "lei" text NOT NULL,
    "_n1" integer NOT NULL,
    "type" text,
    "language" text,
    "address_line" text,
    "address_more" text[],
    "city" text,
    "region" text,
    "country" text,
    "postal_code" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("lei", "_n1")
);
COMMENT ON TABLE "legal_entities"."other_addresses" IS 'The addresses in other languages. (One row per Entity/OtherAddresses/OtherAddress of entities; feed legal_entities)';
COMMENT ON COLUMN "legal_entities"."other_addresses"."lei" IS 'Key of the row in entities that this row belongs to.';
COMMENT ON COLUMN "legal_entities"."other_addresses"."_n1" IS 'Position of the other_addresses row below its parent, in document order, from 1.';
COMMENT ON COLUMN "legal_entities"."other_addresses"."type" IS 'From @type';
COMMENT ON COLUMN "legal_entities"."other_addresses"."language" IS 'From @xml:lang';
COMMENT ON COLUMN "legal_entities"."other_addresses"."address_line" IS 'From FirstAddressLine';
COMMENT ON COLUMN "legal_entities"."other_addresses"."address_more" IS 'From AdditionalAddressLine';
COMMENT ON COLUMN "legal_entities"."other_addresses"."city" IS 'From City';
COMMENT ON COLUMN "legal_entities"."other_addresses"."region" IS 'From Region';
COMMENT ON COLUMN "legal_entities"."other_addresses"."country" IS 'From Country';
COMMENT ON COLUMN "legal_entities"."other_addresses"."postal_code" IS 'From PostalCode';
COMMENT ON COLUMN "legal_entities"."other_addresses"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "legal_entities"."other_addresses"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "legal_entities"."other_addresses"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "legal_entities"."other_addresses"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "legal_entities"."other_addresses"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "legal_entities"."transliterated_addresses" (
    "lei" text NOT NULL,
    "_n1" integer NOT NULL,
    "type" text,
    "language" text,
    "address_line" text,
    "address_more" text[],
    "city" text,
    "region" text,
    "country" text,
    "postal_code" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("lei", "_n1")
);
COMMENT ON TABLE "legal_entities"."transliterated_addresses" IS 'The addresses in Latin letters. (One row per Entity/TransliteratedOtherAddresses/TransliteratedOtherAddress of entities; feed legal_entities)';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."lei" IS 'Key of the row in entities that this row belongs to.';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."_n1" IS 'Position of the transliterated_addresses row below its parent, in document order, from 1.';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."type" IS 'From @type';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."language" IS 'From @xml:lang';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."address_line" IS 'From FirstAddressLine';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."address_more" IS 'From AdditionalAddressLine';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."city" IS 'From City';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."region" IS 'From Region';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."country" IS 'From Country';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."postal_code" IS 'From PostalCode';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "legal_entities"."transliterated_addresses"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "legal_entities"."events" (
    "lei" text NOT NULL,
    "_n1" integer NOT NULL,
    "type" text,
    "status" text,
    "group_type" text,
    "effective_at" timestamptz,
    "recorded_at" timestamptz,
    "validation_documents" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("lei", "_n1")
);
COMMENT ON TABLE "legal_entities"."events" IS 'What befell the entity, such as a merger or a change of name (from 3.0 on). (One row per Entity/LegalEntityEvents/LegalEntityEvent of entities; feed legal_entities)';
COMMENT ON COLUMN "legal_entities"."events"."lei" IS 'Key of the row in entities that this row belongs to.';
COMMENT ON COLUMN "legal_entities"."events"."_n1" IS 'Position of the events row below its parent, in document order, from 1.';
COMMENT ON COLUMN "legal_entities"."events"."type" IS 'From LegalEntityEventType; required';
COMMENT ON COLUMN "legal_entities"."events"."status" IS 'From @event_status';
COMMENT ON COLUMN "legal_entities"."events"."group_type" IS 'From @group_type';
COMMENT ON COLUMN "legal_entities"."events"."effective_at" IS 'From LegalEntityEventEffectiveDate';
COMMENT ON COLUMN "legal_entities"."events"."recorded_at" IS 'From LegalEntityEventRecordedDate';
COMMENT ON COLUMN "legal_entities"."events"."validation_documents" IS 'From ValidationDocuments';
COMMENT ON COLUMN "legal_entities"."events"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "legal_entities"."events"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "legal_entities"."events"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "legal_entities"."events"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "legal_entities"."events"."_loaded_at" IS 'When the row was loaded.';
CREATE INDEX IF NOT EXISTS "entities__file_idx" ON "legal_entities"."entities" USING brin ("_file");
CREATE INDEX IF NOT EXISTS "entities_legal_country_idx" ON "legal_entities"."entities" USING btree ("legal_country");
CREATE INDEX IF NOT EXISTS "entities_registration_authority_registration_number_idx" ON "legal_entities"."entities" USING btree ("registration_authority", "registration_number");
