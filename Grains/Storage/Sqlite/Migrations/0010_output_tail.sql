-- oldest: 1
-- The last lines of a backend that ended with an error.
alter table backends add column output_tail text;
