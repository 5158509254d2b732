-- Money: what a session has cost so far, what is left of it when it changes its mitra, invoices at a vendor, every rupiah that
-- arrived, and the ledger of customers' credit. All amounts are whole rupiah.

-- +goose Up

-- Spent first on the next session; customer_credits explains every rupiah of it.
alter table customers add column credit bigint not null default 0 check (credit >= 0);

-- A reroute begins a new round: mitras who only lost the race may be asked again, those who held the session or declined it
-- never. Waves go on counting. Paid talk that is not running waits in seconds_left.
alter table chat_sessions
    add column round        integer not null default 0 check (round >= 0),
    add column waves_before integer not null default 0 check (waves_before >= 0), -- of earlier rounds
    add column funds        bigint  not null default 0 check (funds >= 0),        -- put in by the customer, as money or credit
    add column paid_seconds integer not null default 0 check (paid_seconds >= 0), -- of talk; 0: not paid yet
    add column seconds_left integer,
    add column extension_id uuid references session_extensions (id),              -- the one that waits for its payment
    add constraint left_of_what_is_paid check (seconds_left between 1 and paid_seconds),
    add constraint left_while_it_rests check (seconds_left is null or status in ('searching', 'pending_payment'));

alter table session_offers add column round integer not null default 0 check (round >= 0);
create unique index session_offers_once_a_round on session_offers (session_id, mitra_id, round);
alter table session_offers drop constraint session_offers_session_id_mitra_id_key;

-- work_at: when somebody has to do something for the invoice at the vendor (open it, look, cancel it); null: never.
alter table payments
    add column work_at             timestamptz default now(),
    add column attempts            integer not null default 0,
    add column provider_expires_at timestamptz,
    add column charge              text not null default '', -- the vendor's id of the money; refunds name it
    add column failure             text not null default ''; -- what the vendor said last
update payments set work_at = null where status not in ('opening', 'open');
create index payments_work on payments (work_at) where work_at is not null;
create index payments_created on payments (created_at desc, id desc);
drop index payments_opening;

-- Every rupiah that arrived, once: whatever tells of it, in whatever order and however often, the key lets one of them in.
create table payment_receipts (
    provider    text not null,
    provider_id text not null,            -- the vendor's session
    charge      text not null default '', -- the vendor's payment in it
    payment_id  uuid not null references payments (id),
    amount      bigint not null check (amount > 0),
    credited    boolean not null,         -- nothing waited for it any more: it became the customer's credit
    at          timestamptz not null default now(),
    primary key (provider, provider_id, charge)
);
create index payment_receipts_payment on payment_receipts (payment_id);

create table refunds (
    id          uuid primary key, -- also our reference at the vendor
    payment_id  uuid not null references payments (id),
    amount      bigint not null check (amount > 0),
    from_credit bigint not null default 0 check (from_credit between 0 and amount), -- taken out of the customer's credit
    status      text not null default 'pending' check (status in ('pending', 'succeeded', 'failed')),
    reason      text not null default '' check (char_length(reason) <= 500),
    operator_id uuid references control_center_users (id),
    provider_id text,
    failure     text not null default '',
    attempts    integer not null default 0,
    work_at     timestamptz default now(),
    created_at  timestamptz not null default now(),
    closed_at   timestamptz,
    check ((status = 'pending') = (closed_at is null))
);
create index refunds_payment on refunds (payment_id);
create unique index refunds_one_pending on refunds (payment_id) where status = 'pending';
create index refunds_work on refunds (work_at) where work_at is not null;

-- late: money that nothing waited for. returned: what was put into a session that came to nothing, or the part of its talk
-- that is left. spent: put into a session. operator: given or taken by hand. refund: paid back by the vendor.
create table customer_credits (
    id          bigint generated always as identity primary key,
    customer_id uuid not null references customers (id),
    amount      bigint not null check (amount <> 0),
    balance     bigint not null check (balance >= 0), -- after it
    reason      text not null check (reason in ('late', 'returned', 'spent', 'operator', 'refund')),
    session_id  uuid references chat_sessions (id),
    payment_id  uuid references payments (id),
    refund_id   uuid references refunds (id),
    operator_id uuid references control_center_users (id),
    note        text not null default '' check (char_length(note) <= 500),
    at          timestamptz not null default now()
);
create index customer_credits_customer on customer_credits (customer_id, id desc);

-- Every delivery as it came. outcome is null until its effect was tried.
create table payment_webhooks (
    id          uuid primary key,
    provider    text not null,
    delivery    text not null default '', -- the vendor's id of it
    event       text not null default '',
    reference   text not null default '',
    payment_id  uuid,
    body        bytea not null,
    outcome     text,
    received_at timestamptz not null default now(),
    handled_at  timestamptz
);
create index payment_webhooks_open on payment_webhooks (received_at) where outcome is null;
create index payment_webhooks_payment on payment_webhooks (payment_id) where payment_id is not null;

-- The vendor of PAYMENT_PROVIDER=sandbox: what a real one keeps at its side.
create table sandbox_checkouts (
    id         text primary key,
    reference  uuid not null unique,
    amount     bigint not null check (amount > 0),
    status     text not null default 'active' check (status in ('active', 'completed', 'failed', 'expired', 'cancelled')),
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);

-- +goose Down

drop table sandbox_checkouts, payment_webhooks, customer_credits, refunds, payment_receipts;
drop index payments_work, payments_created;
create index payments_opening on payments (created_at) where status = 'opening';
alter table payments drop column work_at, drop column attempts, drop column provider_expires_at, drop column charge, drop column failure;
drop index session_offers_once_a_round;
delete from session_offers o where round > 0 and exists (
    select from session_offers e where e.session_id = o.session_id and e.mitra_id = o.mitra_id and e.round < o.round);
alter table session_offers drop column round, add constraint session_offers_session_id_mitra_id_key unique (session_id, mitra_id);
alter table chat_sessions drop column round, drop column waves_before, drop column funds, drop column paid_seconds,
    drop column seconds_left, drop column extension_id;
alter table customers drop column credit;
