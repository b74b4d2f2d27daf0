-- oldest: 1
-- What proxies are to know of a backend beside its address, where that is not the usual: JSON (WebSettings).
alter table backends add column web text check (length(web) <= 8192);
