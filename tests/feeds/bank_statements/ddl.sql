CREATE SCHEMA IF NOT EXISTS "bank_statements";
COMMENT ON SCHEMA "bank_statements" IS 'Account statements as banks send them: ISO 20022 camt.053, message versions 02 to 08, from any bank, under one
declaration. Every statement becomes a row of `statements`, with its `balances`, its `entries` (what the account
was debited or credited) and the `transactions` that an entry is made of.

**What is one statement?** The account in its currency, the day it closes, the bank''s statement id and the page.
The id alone is not enough: many banks number statements anew every year, and a long statement comes in pages that
share its id. A corrected statement has the same key and a later creation time, and takes the place of the older one.

**Times without a zone** are read as local time in Brussels; change `timezone` for banks elsewhere.
**Signs:** amounts are never negative; `credit_debit` says which way the money went (CRDT or DBIT).';
CREATE TABLE IF NOT EXISTS "bank_statements"."statements" (
    "account_id" text NOT NULL,
    "account_currency" text NOT NULL,
    "statement_date" date NOT NULL,
    "statement_id" text NOT NULL,
    "page_number" integer NOT NULL,
    "created_at" timestamptz NOT NULL,
    "is_last_page" boolean,
    "message_id" text,
    "message_recipient" text,
    "electronic_sequence_number" bigint,
    "legal_sequence_number" bigint,
    "period_from" timestamptz,
    "period_to" timestamptz,
    "copy_duplicate" text,
    "account_iban" text,
    "account_type" text,
    "account_name" text,
    "account_owner" text,
    "bank_bic" text,
    "bank_name" text,
    "entry_count" bigint,
    "credit_sum" numeric(23,5),
    "debit_sum" numeric(23,5),
    "additional_information" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_offset" bigint NOT NULL,
    "_file_date" date NOT NULL,
    "_file_modified" timestamptz NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("account_id", "account_currency", "statement_date", "statement_id", "page_number")
) WITH (fillfactor = 90);
COMMENT ON TABLE "bank_statements"."statements" IS 'One row per account statement, or per page of a long one. (One row per /Document/BkToCstmrStmt/Stmt; of the same account_id, account_currency, statement_date, statement_id, page_number, the greatest created_at wins; feed bank_statements)';
COMMENT ON COLUMN "bank_statements"."statements"."account_id" IS 'The account, by its IBAN where it has one, else as the bank numbers it. (From Acct/Id/IBAN, else Acct/Id/Othr/Id; part of the key; required)';
COMMENT ON COLUMN "bank_statements"."statements"."account_currency" IS 'Currency of the account; where the bank does not say, that of its closing balance. (From Acct/Ccy, else Bal[Tp/CdOrPrtry/Cd=''CLBD'']/Amt/@Ccy, else Bal/Amt/@Ccy; part of the key; required)';
COMMENT ON COLUMN "bank_statements"."statements"."statement_date" IS 'Day of the closing booked balance; without one, the first day among the balances. (From Bal[Tp/CdOrPrtry/Cd=''CLBD'']/Dt/Dt, else Bal[Tp/CdOrPrtry/Cd=''CLBD'']/Dt/DtTm, else Bal/Dt/Dt, else Bal/Dt/DtTm; part of the key; required)';
COMMENT ON COLUMN "bank_statements"."statements"."statement_id" IS 'The bank''s id of the statement. (From Id; part of the key; required)';
COMMENT ON COLUMN "bank_statements"."statements"."page_number" IS 'Page of a statement that comes in several; 1 where the bank does not page. (From StmtPgntn/PgNb, else ../GrpHdr/MsgPgntn/PgNb; part of the key)';
COMMENT ON COLUMN "bank_statements"."statements"."created_at" IS 'When the bank made the statement; the latest of a key wins. (From CreDtTm, else ../GrpHdr/CreDtTm; orders the versions of a key; required)';
COMMENT ON COLUMN "bank_statements"."statements"."is_last_page" IS 'From StmtPgntn/LastPgInd, else ../GrpHdr/MsgPgntn/LastPgInd';
COMMENT ON COLUMN "bank_statements"."statements"."message_id" IS 'The message that brought the statement. (From ../GrpHdr/MsgId)';
COMMENT ON COLUMN "bank_statements"."statements"."message_recipient" IS 'From ../GrpHdr/MsgRcpt/Nm';
COMMENT ON COLUMN "bank_statements"."statements"."electronic_sequence_number" IS 'From ElctrncSeqNb';
COMMENT ON COLUMN "bank_statements"."statements"."legal_sequence_number" IS 'From LglSeqNb';
COMMENT ON COLUMN "bank_statements"."statements"."period_from" IS 'From FrToDt/FrDtTm';
COMMENT ON COLUMN "bank_statements"."statements"."period_to" IS 'From FrToDt/ToDtTm';
COMMENT ON COLUMN "bank_statements"."statements"."copy_duplicate" IS 'DUPL, COPY or CODU where it is not the original. (From CpyDplctInd)';
COMMENT ON COLUMN "bank_statements"."statements"."account_iban" IS 'From Acct/Id/IBAN';
COMMENT ON COLUMN "bank_statements"."statements"."account_type" IS 'From Acct/Tp/Cd, else Acct/Tp/Prtry';
COMMENT ON COLUMN "bank_statements"."statements"."account_name" IS 'From Acct/Nm';
COMMENT ON COLUMN "bank_statements"."statements"."account_owner" IS 'From Acct/Ownr/Nm';
COMMENT ON COLUMN "bank_statements"."statements"."bank_bic" IS 'From Acct/Svcr/FinInstnId/BICFI, else Acct/Svcr/FinInstnId/BIC';
COMMENT ON COLUMN "bank_statements"."statements"."bank_name" IS 'From Acct/Svcr/FinInstnId/Nm';
COMMENT ON COLUMN "bank_statements"."statements"."entry_count" IS 'Number of entries, as the bank counts. (From TxsSummry/TtlNtries/NbOfNtries)';
COMMENT ON COLUMN "bank_statements"."statements"."credit_sum" IS 'From TxsSummry/TtlCdtNtries/Sum';
COMMENT ON COLUMN "bank_statements"."statements"."debit_sum" IS 'From TxsSummry/TtlDbtNtries/Sum';
COMMENT ON COLUMN "bank_statements"."statements"."additional_information" IS 'From AddtlStmtInf';
COMMENT ON COLUMN "bank_statements"."statements"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "bank_statements"."statements"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "bank_statements"."statements"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "bank_statements"."statements"."_offset" IS 'Where the record begins, in decoded bytes of the file or member.';
COMMENT ON COLUMN "bank_statements"."statements"."_file_date" IS 'The date in the file''s URI; -infinity where it has none.';
COMMENT ON COLUMN "bank_statements"."statements"."_file_modified" IS 'When the source last modified the file.';
COMMENT ON COLUMN "bank_statements"."statements"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "bank_statements"."statements"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "bank_statements"."balances" (
    "account_id" text NOT NULL,
    "account_currency" text NOT NULL,
    "statement_date" date NOT NULL,
    "statement_id" text NOT NULL,
    "page_number" integer NOT NULL,
    "_n1" integer NOT NULL,
    "type_code" text,
    "sub_type" text,
    "amount" numeric(23,5),
    "currency" text,
    "credit_debit" text,
    "balance_date" date,
    "credit_line_amounts" numeric(23,5)[],
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("account_id", "account_currency", "statement_date", "statement_id", "page_number", "_n1")
);
COMMENT ON TABLE "bank_statements"."balances" IS 'The balances of a statement; OPBD is the opening, CLBD the closing booked balance. (One row per Bal of statements; feed bank_statements)';
COMMENT ON COLUMN "bank_statements"."balances"."account_id" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."balances"."account_currency" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."balances"."statement_date" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."balances"."statement_id" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."balances"."page_number" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."balances"."_n1" IS 'Position of the balances row below its parent, in document order, from 1.';
COMMENT ON COLUMN "bank_statements"."balances"."type_code" IS 'From Tp/CdOrPrtry/Cd, else Tp/CdOrPrtry/Prtry; required';
COMMENT ON COLUMN "bank_statements"."balances"."sub_type" IS 'From Tp/SubTp/Cd, else Tp/SubTp/Prtry';
COMMENT ON COLUMN "bank_statements"."balances"."amount" IS 'From Amt; required';
COMMENT ON COLUMN "bank_statements"."balances"."currency" IS 'From Amt/@Ccy; required';
COMMENT ON COLUMN "bank_statements"."balances"."credit_debit" IS 'From CdtDbtInd; required';
COMMENT ON COLUMN "bank_statements"."balances"."balance_date" IS 'From Dt/Dt, else Dt/DtTm; required';
COMMENT ON COLUMN "bank_statements"."balances"."credit_line_amounts" IS 'Credit lines that back the account. (From CdtLine/Amt)';
COMMENT ON COLUMN "bank_statements"."balances"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "bank_statements"."balances"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "bank_statements"."balances"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "bank_statements"."balances"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "bank_statements"."balances"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "bank_statements"."entries" (
    "account_id" text NOT NULL,
    "account_currency" text NOT NULL,
    "statement_date" date NOT NULL,
    "statement_id" text NOT NULL,
    "page_number" integer NOT NULL,
    "_n1" integer NOT NULL,
    "entry_reference" text,
    "amount" numeric(23,5),
    "currency" text,
    "credit_debit" text,
    "is_reversal" boolean,
    "status" text,
    "booking_date" date,
    "booked_at" timestamptz,
    "value_date" date,
    "bank_reference" text,
    "domain_code" text,
    "family_code" text,
    "sub_family_code" text,
    "proprietary_code" text,
    "proprietary_issuer" text,
    "charge_amounts" numeric(23,5)[],
    "batch_message_ids" text[],
    "batch_payment_ids" text[],
    "batch_sizes" bigint[],
    "additional_information" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("account_id", "account_currency", "statement_date", "statement_id", "page_number", "_n1")
);
COMMENT ON TABLE "bank_statements"."entries" IS 'What the account was debited or credited; one entry may bundle many transactions. (One row per Ntry of statements; feed bank_statements)';
COMMENT ON COLUMN "bank_statements"."entries"."account_id" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."entries"."account_currency" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."entries"."statement_date" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."entries"."statement_id" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."entries"."page_number" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."entries"."_n1" IS 'Position of the entries row below its parent, in document order, from 1.';
COMMENT ON COLUMN "bank_statements"."entries"."entry_reference" IS 'From NtryRef';
COMMENT ON COLUMN "bank_statements"."entries"."amount" IS 'From Amt; required';
COMMENT ON COLUMN "bank_statements"."entries"."currency" IS 'From Amt/@Ccy; required';
COMMENT ON COLUMN "bank_statements"."entries"."credit_debit" IS 'From CdtDbtInd; required';
COMMENT ON COLUMN "bank_statements"."entries"."is_reversal" IS 'From RvslInd';
COMMENT ON COLUMN "bank_statements"."entries"."status" IS 'BOOK, PDNG, INFO or FUTR. (From Sts/Cd, else Sts/Prtry, else Sts; required)';
COMMENT ON COLUMN "bank_statements"."entries"."booking_date" IS 'From BookgDt/Dt, else BookgDt/DtTm';
COMMENT ON COLUMN "bank_statements"."entries"."booked_at" IS 'The time of booking, where the bank gives more than the day. (From BookgDt/DtTm)';
COMMENT ON COLUMN "bank_statements"."entries"."value_date" IS 'From ValDt/Dt, else ValDt/DtTm';
COMMENT ON COLUMN "bank_statements"."entries"."bank_reference" IS 'From AcctSvcrRef';
COMMENT ON COLUMN "bank_statements"."entries"."domain_code" IS 'Bank transaction code, e.g. PMNT / RCDT / ESCT. (From BkTxCd/Domn/Cd)';
COMMENT ON COLUMN "bank_statements"."entries"."family_code" IS 'From BkTxCd/Domn/Fmly/Cd';
COMMENT ON COLUMN "bank_statements"."entries"."sub_family_code" IS 'From BkTxCd/Domn/Fmly/SubFmlyCd';
COMMENT ON COLUMN "bank_statements"."entries"."proprietary_code" IS 'From BkTxCd/Prtry/Cd';
COMMENT ON COLUMN "bank_statements"."entries"."proprietary_issuer" IS 'From BkTxCd/Prtry/Issr';
COMMENT ON COLUMN "bank_statements"."entries"."charge_amounts" IS 'From Chrgs/Rcrd/Amt, else Chrgs/Amt, else Chrgs/TtlChrgsAndTaxAmt';
COMMENT ON COLUMN "bank_statements"."entries"."batch_message_ids" IS 'From NtryDtls/Btch/MsgId';
COMMENT ON COLUMN "bank_statements"."entries"."batch_payment_ids" IS 'From NtryDtls/Btch/PmtInfId';
COMMENT ON COLUMN "bank_statements"."entries"."batch_sizes" IS 'Number of transactions of each bundle, which the bank need not list one by one. (From NtryDtls/Btch/NbOfTxs)';
COMMENT ON COLUMN "bank_statements"."entries"."additional_information" IS 'From AddtlNtryInf';
COMMENT ON COLUMN "bank_statements"."entries"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "bank_statements"."entries"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "bank_statements"."entries"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "bank_statements"."entries"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "bank_statements"."entries"."_loaded_at" IS 'When the row was loaded.';
CREATE TABLE IF NOT EXISTS "bank_statements"."transactions" (
    "account_id" text NOT NULL,
    "account_currency" text NOT NULL,
    "statement_date" date NOT NULL,
    "statement_id" text NOT NULL,
    "page_number" integer NOT NULL,
    "_n1" integer NOT NULL,
    "_n2" integer NOT NULL,
    "amount" numeric(23,5),
    "currency" text,
    "credit_debit" text,
    "instructed_amount" numeric(23,5),
    "instructed_currency" text,
    "exchange_rate" numeric(21,10),
    "message_id" text,
    "bank_reference" text,
    "payment_id" text,
    "instruction_id" text,
    "end_to_end_id" text,
    "transaction_id" text,
    "uetr" text,
    "mandate_id" text,
    "cheque_number" text,
    "proprietary_references" text[],
    "domain_code" text,
    "family_code" text,
    "sub_family_code" text,
    "proprietary_code" text,
    "debtor_name" text,
    "debtor_country" text,
    "debtor_address" text[],
    "debtor_account" text,
    "debtor_bic" text,
    "ultimate_debtor_name" text,
    "creditor_name" text,
    "creditor_country" text,
    "creditor_address" text[],
    "creditor_account" text,
    "creditor_bic" text,
    "ultimate_creditor_name" text,
    "purpose" text,
    "remittance_text" text[],
    "creditor_references" text[],
    "document_numbers" text[],
    "charge_amounts" numeric(23,5)[],
    "accepted_at" timestamptz,
    "settlement_date" date,
    "return_reason" text,
    "additional_information" text,
    "_file" bigint NOT NULL,
    "_member" text NOT NULL,
    "_record" bigint NOT NULL,
    "_run" bigint NOT NULL,
    "_loaded_at" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("account_id", "account_currency", "statement_date", "statement_id", "page_number", "_n1", "_n2")
);
COMMENT ON TABLE "bank_statements"."transactions" IS 'The payments that an entry is made of, with who paid whom, why and under which references. (One row per NtryDtls/TxDtls of entries; feed bank_statements)';
COMMENT ON COLUMN "bank_statements"."transactions"."account_id" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."transactions"."account_currency" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."transactions"."statement_date" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."transactions"."statement_id" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."transactions"."page_number" IS 'Key of the row in statements that this row belongs to.';
COMMENT ON COLUMN "bank_statements"."transactions"."_n1" IS 'Position of the entries row below its parent, in document order, from 1.';
COMMENT ON COLUMN "bank_statements"."transactions"."_n2" IS 'Position of the transactions row below its parent, in document order, from 1.';
COMMENT ON COLUMN "bank_statements"."transactions"."amount" IS 'Amount of the transaction; NULL where the bank gives none, then that of the entry is meant. (From Amt, else AmtDtls/TxAmt/Amt)';
COMMENT ON COLUMN "bank_statements"."transactions"."currency" IS 'From Amt/@Ccy, else AmtDtls/TxAmt/Amt/@Ccy';
COMMENT ON COLUMN "bank_statements"."transactions"."credit_debit" IS 'From CdtDbtInd';
COMMENT ON COLUMN "bank_statements"."transactions"."instructed_amount" IS 'What the payer ordered. (From AmtDtls/InstdAmt/Amt)';
COMMENT ON COLUMN "bank_statements"."transactions"."instructed_currency" IS 'From AmtDtls/InstdAmt/Amt/@Ccy';
COMMENT ON COLUMN "bank_statements"."transactions"."exchange_rate" IS 'From AmtDtls/InstdAmt/CcyXchg/XchgRate, else AmtDtls/TxAmt/CcyXchg/XchgRate, else AmtDtls/CntrValAmt/CcyXchg/XchgRate';
COMMENT ON COLUMN "bank_statements"."transactions"."message_id" IS 'From Refs/MsgId';
COMMENT ON COLUMN "bank_statements"."transactions"."bank_reference" IS 'From Refs/AcctSvcrRef';
COMMENT ON COLUMN "bank_statements"."transactions"."payment_id" IS 'From Refs/PmtInfId';
COMMENT ON COLUMN "bank_statements"."transactions"."instruction_id" IS 'From Refs/InstrId';
COMMENT ON COLUMN "bank_statements"."transactions"."end_to_end_id" IS 'The payer''s reference, handed through from end to end; NOTPROVIDED counts as none. (From Refs/EndToEndId)';
COMMENT ON COLUMN "bank_statements"."transactions"."transaction_id" IS 'From Refs/TxId';
COMMENT ON COLUMN "bank_statements"."transactions"."uetr" IS 'Unique end-to-end transaction reference (from version 08 on). (From Refs/UETR)';
COMMENT ON COLUMN "bank_statements"."transactions"."mandate_id" IS 'The direct debit mandate. (From Refs/MndtId)';
COMMENT ON COLUMN "bank_statements"."transactions"."cheque_number" IS 'From Refs/ChqNb';
COMMENT ON COLUMN "bank_statements"."transactions"."proprietary_references" IS 'From Refs/Prtry/Ref';
COMMENT ON COLUMN "bank_statements"."transactions"."domain_code" IS 'From BkTxCd/Domn/Cd';
COMMENT ON COLUMN "bank_statements"."transactions"."family_code" IS 'From BkTxCd/Domn/Fmly/Cd';
COMMENT ON COLUMN "bank_statements"."transactions"."sub_family_code" IS 'From BkTxCd/Domn/Fmly/SubFmlyCd';
COMMENT ON COLUMN "bank_statements"."transactions"."proprietary_code" IS 'From BkTxCd/Prtry/Cd';
COMMENT ON COLUMN "bank_statements"."transactions"."debtor_name" IS 'Who pays; up to version 07 directly, from 08 on as a party or as a bank. (From RltdPties/Dbtr/Nm, else RltdPties/Dbtr/Pty/Nm, else RltdPties/Dbtr/Agt/FinInstnId/Nm)';
COMMENT ON COLUMN "bank_statements"."transactions"."debtor_country" IS 'From RltdPties/Dbtr/PstlAdr/Ctry, else RltdPties/Dbtr/Pty/PstlAdr/Ctry';
COMMENT ON COLUMN "bank_statements"."transactions"."debtor_address" IS 'From RltdPties/Dbtr/PstlAdr/AdrLine, else RltdPties/Dbtr/Pty/PstlAdr/AdrLine';
COMMENT ON COLUMN "bank_statements"."transactions"."debtor_account" IS 'From RltdPties/DbtrAcct/Id/IBAN, else RltdPties/DbtrAcct/Id/Othr/Id';
COMMENT ON COLUMN "bank_statements"."transactions"."debtor_bic" IS 'From RltdAgts/DbtrAgt/FinInstnId/BICFI, else RltdAgts/DbtrAgt/FinInstnId/BIC';
COMMENT ON COLUMN "bank_statements"."transactions"."ultimate_debtor_name" IS 'From RltdPties/UltmtDbtr/Nm, else RltdPties/UltmtDbtr/Pty/Nm';
COMMENT ON COLUMN "bank_statements"."transactions"."creditor_name" IS 'Who is paid. (From RltdPties/Cdtr/Nm, else RltdPties/Cdtr/Pty/Nm, else RltdPties/Cdtr/Agt/FinInstnId/Nm)';
COMMENT ON COLUMN "bank_statements"."transactions"."creditor_country" IS 'From RltdPties/Cdtr/PstlAdr/Ctry, else RltdPties/Cdtr/Pty/PstlAdr/Ctry';
COMMENT ON COLUMN "bank_statements"."transactions"."creditor_address" IS 'From RltdPties/Cdtr/PstlAdr/AdrLine, else RltdPties/Cdtr/Pty/PstlAdr/AdrLine';
COMMENT ON COLUMN "bank_statements"."transactions"."creditor_account" IS 'From RltdPties/CdtrAcct/Id/IBAN, else RltdPties/CdtrAcct/Id/Othr/Id';
COMMENT ON COLUMN "bank_statements"."transactions"."creditor_bic" IS 'From RltdAgts/CdtrAgt/FinInstnId/BICFI, else RltdAgts/CdtrAgt/FinInstnId/BIC';
COMMENT ON COLUMN "bank_statements"."transactions"."ultimate_creditor_name" IS 'From RltdPties/UltmtCdtr/Nm, else RltdPties/UltmtCdtr/Pty/Nm';
COMMENT ON COLUMN "bank_statements"."transactions"."purpose" IS 'From Purp/Cd, else Purp/Prtry';
COMMENT ON COLUMN "bank_statements"."transactions"."remittance_text" IS 'What the payer wrote, line by line. (From RmtInf/Ustrd)';
COMMENT ON COLUMN "bank_statements"."transactions"."creditor_references" IS 'From RmtInf/Strd/CdtrRefInf/Ref';
COMMENT ON COLUMN "bank_statements"."transactions"."document_numbers" IS 'Invoices that are paid. (From RmtInf/Strd/RfrdDocInf/Nb)';
COMMENT ON COLUMN "bank_statements"."transactions"."charge_amounts" IS 'From Chrgs/Rcrd/Amt, else Chrgs/Amt, else Chrgs/TtlChrgsAndTaxAmt';
COMMENT ON COLUMN "bank_statements"."transactions"."accepted_at" IS 'From RltdDts/AccptncDtTm';
COMMENT ON COLUMN "bank_statements"."transactions"."settlement_date" IS 'From RltdDts/IntrBkSttlmDt';
COMMENT ON COLUMN "bank_statements"."transactions"."return_reason" IS 'Why a payment came back. (From RtrInf/Rsn/Cd, else RtrInf/Rsn/Prtry)';
COMMENT ON COLUMN "bank_statements"."transactions"."additional_information" IS 'From AddtlTxInf';
COMMENT ON COLUMN "bank_statements"."transactions"."_file" IS 'The file that the row came from; sluice.files has its URI.';
COMMENT ON COLUMN "bank_statements"."transactions"."_member" IS 'The archive member in that file; empty where the file is no archive.';
COMMENT ON COLUMN "bank_statements"."transactions"."_record" IS 'The ordinal of the record in the file or member, from 1.';
COMMENT ON COLUMN "bank_statements"."transactions"."_run" IS 'The run that loaded the row; see sluice.runs.';
COMMENT ON COLUMN "bank_statements"."transactions"."_loaded_at" IS 'When the row was loaded.';
CREATE INDEX IF NOT EXISTS "statements__file_idx" ON "bank_statements"."statements" USING brin ("_file");
CREATE INDEX IF NOT EXISTS "statements_statement_date_idx" ON "bank_statements"."statements" USING btree ("statement_date");
CREATE INDEX IF NOT EXISTS "entries_booking_date_idx" ON "bank_statements"."entries" USING btree ("booking_date");
CREATE INDEX IF NOT EXISTS "transactions_end_to_end_id_idx" ON "bank_statements"."transactions" USING btree ("end_to_end_id");
