-- The role by which the service writes the journal: it appends, and can neither change nor take out an entry, nor erase
-- what is personal, nor make a table. What erases and expires (fairmark forget, fairmark journal --expire) and what brings
-- the tables to a new version runs as their owner, by a person.
--
-- Run by the owner once the tables are there, and again after a new version made others (docs/deploy.md):
--   psql "host=HOST dbname=journal user=fairmark sslmode=require" -f terraform/journal-role.sql
-- Its password is set by \password, which sends a hash alone: a statement with the word itself would stand in the log.
\set ON_ERROR_STOP on

SELECT 'CREATE ROLE fairmark_service LOGIN' WHERE to_regrole('fairmark_service') IS NULL \gexec

BEGIN;
REVOKE ALL ON SCHEMA fairmark, public FROM fairmark_service;
REVOKE ALL ON ALL TABLES IN SCHEMA fairmark FROM fairmark_service;
GRANT USAGE ON SCHEMA fairmark TO fairmark_service;
GRANT SELECT ON fairmark.fairmark_schema TO fairmark_service;
GRANT SELECT, INSERT ON fairmark.entries, fairmark.personal, fairmark.requests TO fairmark_service;
-- The head of the chain is moved by each append; that it goes on from what was sealed, `fairmark journal --check` tells.
GRANT SELECT, UPDATE ON fairmark.head TO fairmark_service;
-- A membership that comes again takes the place of the one before.
GRANT SELECT, INSERT, UPDATE ON fairmark.memberships TO fairmark_service;
GRANT SELECT, UPDATE ON fairmark.memberships_last TO fairmark_service;
COMMIT;
