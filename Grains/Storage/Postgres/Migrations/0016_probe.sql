-- oldest: 1
-- What the store writes, and rolls back, to find out whether there is room for a connect. Not compressed: it must take room.

create table plane.probe (filler text not null);
alter table plane.probe alter column filler set storage external;
