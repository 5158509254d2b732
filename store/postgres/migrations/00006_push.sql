-- Pushes on their way to devices: see the package comment of core/push. A row is one push to one device; it goes when it is
-- sent, or when nobody wants it any more. due_at: to be claimed from then on; a claim moves it ahead.

-- +goose Up

create table pushes (
    id         bigint generated always as identity primary key,
    kind       text not null check (kind in ('offer', 'payment_due', 'session_started', 'session_ended', 'search_ended', 'set_offline')),
    user_id    uuid not null,
    token      text not null,
    offer_id   uuid,
    session_id uuid,
    attempts   integer not null default 0 check (attempts >= 0),
    due_at     timestamptz not null default now(),
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    constraint offer_has_its_id check ((kind = 'offer') = (offer_id is not null))
);
create index pushes_due on pushes (due_at);

create index device_tokens_updated on device_tokens (updated_at);

-- +goose Down

drop index device_tokens_updated;
drop table pushes;
