-- The first schema: see the package comment of store/postgres for how its parts work together. Every rule that can be a
-- constraint is one; every statement that runs on the hot path has its index.

-- +goose Up

create table customers (
    id           uuid primary key,
    display_name text not null default '' check (char_length(display_name) <= 100),
    phone        text check (phone ~ '^\+[0-9]{8,15}$'),
    email        text check (email = lower(email)),
    google_sub   text,
    apple_sub    text,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    deleted_at   timestamptz
);
create unique index customers_phone on customers (phone) where phone is not null;
create unique index customers_email on customers (email) where email is not null;
create unique index customers_google on customers (google_sub) where google_sub is not null;
create unique index customers_apple on customers (apple_sub) where apple_sub is not null;

-- fillfactor: heartbeats, epochs and versions are updated in place (none of them is in an index).
create table mitras (
    id                uuid primary key,
    phone             text not null unique check (phone ~ '^\+[0-9]{8,15}$'),
    display_name      text not null check (char_length(display_name) between 1 and 100),
    is_active         boolean not null default true,
    mode              text not null default 'offline' check (mode in ('online', 'finishing', 'offline')),
    is_online         boolean not null generated always as (mode <> 'offline') stored,
    max_capacity      integer check (max_capacity between 1 and 10), -- null: mitra_max_capacity of app_config
    last_heartbeat_at timestamptz,
    available_since   timestamptz,                                   -- became available, or was last offered a session
    connection_epoch  bigint not null default 0 check (connection_epoch >= 0),
    ignored_offers    integer not null default 0 check (ignored_offers >= 0),
    version           bigint not null default 1 check (version >= 1),
    is_test           boolean not null default false,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now()
) with (fillfactor = 70);
create index mitras_waiting on mitras (available_since, id) where mode = 'online' and is_active;
create index mitras_online on mitras (id) where mode <> 'offline';

create table mitra_status_logs (
    id        bigint generated always as identity primary key,
    mitra_id  uuid not null references mitras (id),
    mode      text not null check (mode in ('online', 'finishing', 'offline')),
    is_active boolean not null default true,
    reason    text not null,
    at        timestamptz not null default now()
);
create index mitra_status_logs_mitra on mitra_status_logs (mitra_id, id desc);

create table control_center_users (
    id                 uuid primary key,
    email              text not null unique check (email = lower(email)),
    display_name       text not null default '',
    password_hash      text not null,
    role               text not null default 'operator' check (role in ('admin', 'operator')),
    is_active          boolean not null default true,
    failed_login_count integer not null default 0 check (failed_login_count >= 0),
    lockout_until      timestamptz,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now()
);

-- One signed-in device. generation counts the rotations of its refresh token; the token of generation - 1 is good until
-- ten seconds after rotated_at and gets the same successor; any older one is theft.
create table auth_sessions (
    id            uuid primary key,
    user_type     text not null check (user_type in ('customer', 'mitra', 'cc_user')),
    user_id       uuid not null,
    generation    integer not null default 0 check (generation >= 0),
    salt          bytea not null,
    refresh_hash  text not null,
    rotated_at    timestamptz,
    expires_at    timestamptz not null,
    revoked_at    timestamptz,
    revoke_reason text,
    user_agent    text not null default '',
    ip            inet,
    created_at    timestamptz not null default now(),
    last_used_at  timestamptz not null default now(),
    check ((revoked_at is null) = (revoke_reason is null))
);
create index auth_sessions_user on auth_sessions (user_id) where revoked_at is null;
create index auth_sessions_revoked on auth_sessions (revoked_at) where revoked_at is not null;

create table otp_requests (
    id            uuid primary key,
    user_type     text not null check (user_type in ('customer', 'mitra')), -- the app that asked
    phone         text not null,
    code_hash     bytea not null,
    ip            inet,
    attempts      integer not null default 0 check (attempts >= 0),
    expires_at    timestamptz not null,
    used_at       timestamptz,
    superseded_at timestamptz, -- a later code was sent
    created_at    timestamptz not null default now()
);
create index otp_requests_phone on otp_requests (phone, user_type, created_at desc);
create index otp_requests_ip on otp_requests (ip, created_at desc);
create index otp_requests_created on otp_requests (created_at);

create table app_config (
    key        text primary key,
    value      jsonb not null,
    updated_by uuid references control_center_users (id),
    updated_at timestamptz not null default now()
);

create table session_packages (
    id               uuid primary key,
    name             text not null check (char_length(name) between 1 and 100),
    duration_minutes integer not null check (duration_minutes between 1 and 1440),
    price            bigint not null check (price >= 0), -- rupiah
    is_active        boolean not null default true,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now()
);

-- One talk, from the request to its end. due_at is the earliest moment at which somebody must look at it again.
create table chat_sessions (
    id                  uuid primary key,
    customer_id         uuid not null references customers (id),
    mitra_id            uuid references mitras (id),
    package_id          uuid not null references session_packages (id),
    status              text not null check (status in ('searching', 'pending_payment', 'active', 'ended', 'cancelled', 'unmatched')),
    version             bigint not null default 1 check (version >= 1),
    duration_minutes    integer not null check (duration_minutes > 0),
    price               bigint not null check (price >= 0),
    note                text not null default '' check (char_length(note) <= 500),
    wave                integer not null default 0 check (wave >= 0), -- the number of the wave that ran last
    waiting             boolean not null default false,               -- no wave is running: it waits for a mitra to become free
    wave_deadline_at    timestamptz,
    search_deadline_at  timestamptz not null,
    payment_deadline_at timestamptz,
    started_at          timestamptz,
    warn_at             timestamptz, -- a minute before ends_at
    ends_at             timestamptz,
    ending_soon         boolean not null default false,
    end_reason          text check (end_reason in ('expired', 'customer', 'mitra', 'operator', 'payment_timeout', 'no_mitra', 'account_deleted', 'deactivated')),
    created_at          timestamptz not null default now(),
    ended_at            timestamptz,
    due_at              timestamptz generated always as (
        case status
            when 'searching' then case when waiting then search_deadline_at else least(wave_deadline_at, search_deadline_at) end
            when 'pending_payment' then payment_deadline_at
            when 'active' then case when ending_soon then ends_at else least(warn_at, ends_at) end
        end) stored,
    constraint searching_has_no_mitra check ((status <> 'searching') or mitra_id is null),
    constraint matched_has_a_mitra check (status not in ('pending_payment', 'active', 'ended') or mitra_id is not null),
    constraint wave_has_a_deadline check (status <> 'searching' or waiting or wave_deadline_at is not null),
    constraint pending_has_a_deadline check (status <> 'pending_payment' or payment_deadline_at is not null),
    constraint active_has_an_end check (status <> 'active' or (started_at is not null and warn_at is not null and ends_at is not null and ends_at > started_at)),
    constraint over_has_a_reason check ((status in ('ended', 'cancelled', 'unmatched')) = (end_reason is not null)),
    constraint over_has_a_time check ((end_reason is null) = (ended_at is null))
) with (fillfactor = 80);
create unique index chat_sessions_one_live on chat_sessions (customer_id) where status in ('searching', 'pending_payment', 'active');
create index chat_sessions_held on chat_sessions (mitra_id) where status in ('pending_payment', 'active');
create index chat_sessions_due on chat_sessions (due_at) where due_at is not null;
create index chat_sessions_waiting on chat_sessions (created_at, id) where status = 'searching' and waiting;

-- Why was there no match? considered: [{mitra_id, why}], at most 50. Kept 30 days.
create table session_waves (
    session_id uuid not null references chat_sessions (id),
    number     integer not null check (number >= 1),
    offered    integer not null check (offered >= 0),
    considered jsonb not null,
    created_at timestamptz not null default now(),
    primary key (session_id, number)
);
create index session_waves_created on session_waves (created_at);

-- Nobody is offered the same session twice. wave 0: offered while the search was waiting. rerouted_at: accepted, and the
-- session went to another mitra later.
create table session_offers (
    id             uuid primary key,
    session_id     uuid not null references chat_sessions (id),
    mitra_id       uuid not null references mitras (id),
    wave           integer not null check (wave >= 0),
    status         text not null default 'offered'
        check (status in ('offered', 'delivered', 'accepted', 'declined', 'expired', 'withdrawn', 'lost', 'undelivered')),
    expires_at     timestamptz not null,
    push_due_at    timestamptz,
    delivered_at   timestamptz,
    decline_reason text check (char_length(decline_reason) <= 500),
    rerouted_at    timestamptz,
    created_at     timestamptz not null default now(),
    closed_at      timestamptz,
    unique (session_id, mitra_id),
    constraint open_is_not_closed check ((status in ('offered', 'delivered')) = (closed_at is null))
) with (fillfactor = 80);
create unique index session_offers_one_winner on session_offers (session_id) where status = 'accepted' and rerouted_at is null;
create index session_offers_open_mitra on session_offers (mitra_id) where status in ('offered', 'delivered');
create index session_offers_open_session on session_offers (session_id) where status in ('offered', 'delivered');
create index session_offers_open_expiry on session_offers (expires_at) where status in ('offered', 'delivered');
create index session_offers_push on session_offers (push_due_at) where status = 'offered' and push_due_at is not null;

create table session_events (
    id          bigint generated always as identity primary key,
    session_id  uuid not null references chat_sessions (id),
    from_status text,
    to_status   text not null,
    actor_type  text not null check (actor_type in ('customer', 'mitra', 'cc_user', 'system')),
    actor_id    uuid,
    reason      text not null default '',
    note        text not null default '' check (char_length(note) <= 500), -- in the words of who did it
    at          timestamptz not null default now()
);
create index session_events_session on session_events (session_id, id);

create table session_extensions (
    id               uuid primary key,
    session_id       uuid not null references chat_sessions (id),
    package_id       uuid not null references session_packages (id),
    duration_minutes integer not null check (duration_minutes > 0),
    price            bigint not null check (price >= 0),
    status           text not null default 'pending' check (status in ('pending', 'paid', 'expired', 'cancelled')),
    created_at       timestamptz not null default now(),
    closed_at        timestamptz,
    check ((status = 'pending') = (closed_at is null))
);
create unique index session_extensions_one_pending on session_extensions (session_id) where status = 'pending';

create table payments (
    id           uuid primary key, -- also our reference at the vendor
    session_id   uuid not null references chat_sessions (id),
    extension_id uuid references session_extensions (id),
    customer_id  uuid not null references customers (id),
    amount       bigint not null check (amount > 0),
    currency     text not null default 'IDR' check (currency = 'IDR'),
    status       text not null default 'opening'
        check (status in ('opening', 'open', 'paid', 'expired', 'cancelled', 'failed', 'refunded')),
    provider     text not null default '',
    provider_id  text,
    checkout_url text not null default '',
    expires_at   timestamptz,
    paid_at      timestamptz,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now()
);
create index payments_session on payments (session_id, created_at desc);
create unique index payments_one_open on payments (session_id) where extension_id is null and status in ('opening', 'open');
create unique index payments_one_open_extension on payments (extension_id) where status in ('opening', 'open');
create unique index payments_provider on payments (provider, provider_id) where provider_id is not null;
create index payments_opening on payments (created_at) where status = 'opening';

create table idempotency_keys (
    user_id    uuid not null,
    kind       text not null,
    key        text not null check (char_length(key) between 1 and 64),
    body_hash  bytea not null,
    result_id  uuid not null,
    created_at timestamptz not null default now(),
    primary key (user_id, kind, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);

create table device_tokens (
    token           text primary key check (char_length(token) between 1 and 4096),
    user_type       text not null check (user_type in ('customer', 'mitra')),
    user_id         uuid not null,
    auth_session_id uuid references auth_sessions (id),
    platform        text not null check (platform in ('android', 'ios', 'web')),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);
create index device_tokens_user on device_tokens (user_id);

-- Events of committed transactions on their way to the bus. Until published_at is set, an instance other than the one that
-- wrote them may take them over after claimed_until. Rows stay 60 s for instances without a subscription.
create table event_outbox (
    id            bigint generated always as identity primary key,
    version       integer not null,
    kind          text not null,
    to_user       uuid not null,
    body          json not null,
    created_at    timestamptz not null default now(),
    claimed_until timestamptz not null default now() + interval '1 second',
    published_at  timestamptz
);
create index event_outbox_unpublished on event_outbox (claimed_until) where published_at is null;
create index event_outbox_created on event_outbox (created_at);

create table audit_logs (
    id           bigint generated always as identity primary key,
    operator_id  uuid references control_center_users (id),
    action       text not null,
    subject_type text not null,
    subject_id   uuid,
    before       jsonb,
    after        jsonb,
    at           timestamptz not null default now()
);
create index audit_logs_subject on audit_logs (subject_id, id desc);

-- +goose Down

drop table audit_logs, event_outbox, device_tokens, idempotency_keys, payments, session_extensions, session_events,
    session_offers, session_waves, chat_sessions, session_packages, app_config, otp_requests, auth_sessions,
    control_center_users, mitra_status_logs, mitras, customers;
