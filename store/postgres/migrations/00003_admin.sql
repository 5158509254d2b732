-- What operators look through, at any size: every list has an index in its own order, so that a page is read from where the
-- last one ended, without a sort. Searches are for the beginning of a name or a phone; collation "C" makes a beginning a range.
-- Built concurrently: nobody's writes wait. An index that an earlier attempt left unfinished is built anew.

-- +goose NO TRANSACTION

-- +goose Up

drop index concurrently if exists mitras_created;
create index concurrently mitras_created on mitras (created_at, id);
drop index concurrently if exists mitras_mode;
create index concurrently mitras_mode on mitras (mode, created_at, id);
drop index concurrently if exists mitras_inactive;
create index concurrently mitras_inactive on mitras (created_at, id, mode) where not is_active;
drop index concurrently if exists mitras_name;
create index concurrently mitras_name on mitras ((lower(display_name) collate "C"), id);
drop index concurrently if exists mitras_phone_begins;
create index concurrently mitras_phone_begins on mitras (phone collate "C");

drop index concurrently if exists customers_created;
create index concurrently customers_created on customers (created_at, id);
drop index concurrently if exists customers_name;
create index concurrently customers_name on customers ((lower(display_name) collate "C"), id) where display_name <> '';
-- How names are spread is not learnt from an index of a part of the rows.
drop statistics if exists customers_names;
create statistics customers_names on (lower(display_name) collate "C") from customers;
drop index concurrently if exists customers_phone_begins;
create index concurrently customers_phone_begins on customers (phone collate "C") where phone is not null;

drop index concurrently if exists chat_sessions_created;
create index concurrently chat_sessions_created on chat_sessions (created_at, id);
drop index concurrently if exists chat_sessions_status;
create index concurrently chat_sessions_status on chat_sessions (status, created_at, id);
-- In place of the one without the id.
drop index concurrently if exists chat_sessions_customer;
create index concurrently chat_sessions_customer on chat_sessions (customer_id, created_at, id);
drop index concurrently if exists chat_sessions_mitra;
create index concurrently chat_sessions_mitra on chat_sessions (mitra_id, created_at, id) where mitra_id is not null;

-- The dashboard's money: index alone.
drop index concurrently if exists payments_paid;
create index concurrently payments_paid on payments (paid_at) include (amount, extension_id) where status = 'paid';

drop index concurrently if exists audit_logs_operator;
create index concurrently audit_logs_operator on audit_logs (operator_id, id);

-- +goose Down

drop index concurrently if exists mitras_created;
drop index concurrently if exists mitras_mode;
drop index concurrently if exists mitras_inactive;
drop index concurrently if exists mitras_name;
drop index concurrently if exists mitras_phone_begins;
drop index concurrently if exists customers_created;
drop index concurrently if exists customers_name;
drop statistics if exists customers_names;
drop index concurrently if exists customers_phone_begins;
drop index concurrently if exists chat_sessions_created;
drop index concurrently if exists chat_sessions_status;
drop index concurrently if exists chat_sessions_customer;
drop index concurrently if exists chat_sessions_mitra;
drop index concurrently if exists payments_paid;
drop index concurrently if exists audit_logs_operator;
