-- oldest: 1
-- The greatest session of a drone that was forgotten: a new drone's are above it.
alter table installation add column forgotten_session integer not null default 0;
