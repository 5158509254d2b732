package postgres

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// The classes of advisory locks that make the limits of phone codes hold for parallel requests. They are taken in this
// order, so they never wait in a circle.
const (
	lockCodesOfPhone  = 0x6f7470 + iota // only tried: whoever holds it is in the middle of the request that a second one must wait for anyway
	lockCodesOfOrigin                   // waited for: behind one address may be a whole carrier's customers
	lockCodes                           // waited for, by those only whom no other limit refuses
)

// Issue implements auth.Codes.
func (a *Accounts) Issue(ctx context.Context, code auth.NewCode) (deliver bool, err error) {
	err = a.db.inTx(ctx, "issue phone code", func(ctx context.Context, tx *tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock($1, hashtext($2))`, lockCodesOfPhone, code.Phone).Scan(&mine); err != nil {
			return err
		}
		if !mine {
			return cooldown(code.Settings.OTPResend)
		}
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1, hashtext($2))`, lockCodesOfOrigin, code.Origin.String()); err != nil {
			return err
		}
		if err := tx.withinCodeLimits(ctx, code); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1, 0)`, lockCodes); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, supersedeSQL, code.Phone, code.App); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, issueSQL, code.ID, code.App, code.Phone, code.MAC, code.Blind, code.Origin,
			code.Settings.OTPTTL.Seconds(), code.Settings.OTPGlobalHour-1).Scan(&deliver)
		if missing(err) {
			return limited(time.Minute) // the last ones of the hour went to those before us in the lock
		}
		return err
	})
	return deliver, err
}

// withinCodeLimits asks, with the locks held, whether one more code may be sent.
func (t *tx) withinCodeLimits(ctx context.Context, code auth.NewCode) error {
	var resend, phone, origin, global *float64 // seconds until the limit allows one more; nil: now
	err := t.QueryRow(ctx, codeLimitsSQL, code.Phone, code.App, code.Settings.OTPResend.Seconds(), code.Origin,
		code.Settings.OTPPerPhoneHour-1, code.Settings.OTPPerIPHour-1, code.Settings.OTPGlobalHour-1).Scan(&resend, &phone, &origin, &global)
	if err != nil {
		return err
	}
	var wait float64
	for _, limit := range []*float64{phone, origin, global} {
		if limit != nil {
			wait = max(wait, *limit, 1)
		}
	}
	switch {
	case wait > 0:
		return limited(time.Duration(wait * float64(time.Second)))
	case resend != nil:
		return cooldown(time.Duration(*resend * float64(time.Second)))
	}
	return nil
}

// A limit of n an hour is reached when there is an n-th newest request within the hour; it has room again when that one leaves it.
const codeLimitsSQL = `
	select
		(select extract(epoch from created_at - now())::float8 + $3 from otp_requests
			where phone = $1 and user_type = $2 and created_at > now() - make_interval(secs => $3) order by created_at desc limit 1),
		(select extract(epoch from created_at - now())::float8 + 3600 from otp_requests
			where phone = $1 and created_at > now() - interval '1 hour' order by created_at desc offset $5 limit 1),
		(select extract(epoch from created_at - now())::float8 + 3600 from otp_requests
			where ip = $4 and created_at > now() - interval '1 hour' order by created_at desc offset $6 limit 1),
		(select extract(epoch from created_at - now())::float8 + 3600 from otp_requests
			where created_at > now() - interval '1 hour' order by created_at desc offset $7 limit 1)`

const supersedeSQL = `
	update otp_requests set superseded_at = now()
	where phone = $1 and user_type = $2 and used_at is null and superseded_at is null and expires_at > now()`

// Whoever is no mitra gets a row like everybody else's, with a code that nobody has.
const issueSQL = `
	with known as (select $2::text = 'customer' or exists (select from mitras where phone = $3) as deliver)
	insert into otp_requests (id, user_type, phone, code_hash, ip, created_at, expires_at)
	select $1, $2, $3, case when deliver then $4::bytea else $5::bytea end, $6, now(), now() + make_interval(secs => $7)
	from known
	where not exists (select from otp_requests where created_at > now() - interval '1 hour' offset $8 limit 1)
	returning (select deliver from known)`

// Attempt implements auth.Codes.
func (a *Accounts) Attempt(ctx context.Context, attempt auth.Attempt) (phone string, err error) {
	err = a.db.within(ctx, "try phone code", func(ctx context.Context) error {
		var right, rightApp bool
		var attempts int
		err := a.db.pool.QueryRow(ctx, attemptSQL, attempt.Request, attempt.MACs, attempt.App, attempt.MaxAttempts).
			Scan(&right, &rightApp, &attempts, &phone)
		switch {
		case missing(err):
			return a.whyNoAttempt(ctx, attempt)
		case err != nil:
			return err
		case !right:
			return &core.Error{Code: core.CodeMismatch, Message: "wrong code", AttemptsLeft: max(0, attempt.MaxAttempts-attempts)}
		case !rightApp:
			return core.Errorf(core.WrongFlow, "the code is for the other app")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return phone, nil
}

// Parallel guesses wait here for each other's row lock and look at the condition again: the limit holds for all of them.
const attemptSQL = `
	update otp_requests
	set attempts = attempts + 1, used_at = case when code_hash = any($2) and user_type = $3 then now() end
	where id = $1 and used_at is null and superseded_at is null and expires_at > now() and attempts < $4
	returning code_hash = any($2), user_type = $3, attempts, phone`

// whyNoAttempt names what kept an attempt from being counted.
func (a *Accounts) whyNoAttempt(ctx context.Context, attempt auth.Attempt) error {
	var used, superseded, exceeded bool
	err := a.db.pool.QueryRow(ctx, `select used_at is not null, superseded_at is not null, attempts >= $2 from otp_requests where id = $1`,
		attempt.Request, attempt.MaxAttempts).Scan(&used, &superseded, &exceeded)
	switch {
	case err != nil && !missing(err):
		return err
	case used:
		return core.Errorf(core.OTPUsed, "the code was used already")
	case exceeded && !superseded:
		return core.Errorf(core.AttemptsExceeded, "too many wrong codes: ask for a new one")
	}
	return core.Errorf(core.OTPExpired, "the code has expired: ask for a new one")
}

func cooldown(wait time.Duration) error {
	return &core.Error{Code: core.ResendCooldown, Message: "a code was just sent", RetryAfter: wait}
}

func limited(wait time.Duration) error {
	return &core.Error{Code: core.RateLimited, Message: "too many codes", RetryAfter: wait}
}
