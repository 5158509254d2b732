-- Sign-ins that end when they are not used, the tries of log-ins that are nobody's, Apple's tokens, and the indexes that deletion,
-- export and retention go by.

-- +goose NO TRANSACTION
-- +goose Up

-- How long an auth session may go unused; each refresh begins it anew.
alter table auth_sessions add column if not exists idle_ttl interval not null default '30 days';
create index concurrently if not exists auth_sessions_of on auth_sessions (user_id);
create index concurrently if not exists auth_sessions_expires on auth_sessions (expires_at);
create index concurrently if not exists device_tokens_auth_session on device_tokens (auth_session_id);
create index concurrently if not exists chat_sessions_customer on chat_sessions (customer_id, created_at desc);
create index concurrently if not exists payments_customer on payments (customer_id, created_at desc);

-- Addresses that no operator has, as hashes: they are locked out like those that one has, so that nobody can tell.
create table if not exists unknown_logins (
    email_hash         bytea primary key,
    failed_login_count integer not null check (failed_login_count >= 0),
    lockout_until      timestamptz,
    updated_at         timestamptz not null default now()
);
create index if not exists unknown_logins_updated on unknown_logins (updated_at);

-- What Apple wants revoked when an account goes: its refresh token, encrypted (key_id names the key). due_at is set when the account is
-- deleted: from then on somebody has to tell Apple.
create table if not exists apple_tokens (
    customer_id uuid primary key references customers (id),
    client_id   text not null,
    key_id      text not null,
    sealed      bytea not null,
    due_at      timestamptz,
    tries       integer not null default 0 check (tries >= 0),
    created_at  timestamptz not null default now()
);
create index if not exists apple_tokens_due on apple_tokens (due_at) where due_at is not null;

-- +goose Down

drop table apple_tokens, unknown_logins;
drop index payments_customer, chat_sessions_customer, device_tokens_auth_session, auth_sessions_expires, auth_sessions_of;
alter table auth_sessions drop column idle_ttl;
