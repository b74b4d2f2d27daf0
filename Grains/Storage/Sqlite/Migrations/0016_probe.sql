-- oldest: 1
-- What the store writes to find out whether there is room for a connect.

create table probe (
    single integer primary key check (single = 1),
    filler blob not null
);
