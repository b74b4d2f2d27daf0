-- oldest: 1
-- The last lines of a backend that ended with an error.
alter table plane.backends add column output_tail text;
