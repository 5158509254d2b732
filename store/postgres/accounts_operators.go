package postgres

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// The count and the lockout after one more try of row x, of which $2 are allowed and then locked out for $3 seconds. A lockout that
// is over begins the count anew.
const (
	triesAfter = `case when x.lockout_until is null then x.failed_login_count + 1 else 1 end`
	lockAfter  = `case when ` + triesAfter + ` >= $2 then now() + make_interval(secs => $3) end`
	notLocked  = `(x.lockout_until is null or x.lockout_until <= now())`
)

const tryOperatorSQL = `
	update control_center_users x set failed_login_count = ` + triesAfter + `, lockout_until = ` + lockAfter + `
	where email = $1 and ` + notLocked + `
	returning id, password_hash`

const tryNobodySQL = `
	insert into unknown_logins as x (email_hash, failed_login_count) values ($1, 1)
	on conflict (email_hash) do update
	set failed_login_count = ` + triesAfter + `, lockout_until = ` + lockAfter + `, updated_at = now()
	where ` + notLocked

// TryPassword implements auth.Operators.
func (a *Accounts) TryPassword(ctx context.Context, email string, limits core.Settings) (try auth.PasswordTry, err error) {
	tries, locked := limits.CCMaxFailedLogins, limits.CCLockout.Seconds()
	err = a.db.within(ctx, "try password", func(ctx context.Context) error {
		err := a.db.pool.QueryRow(ctx, tryOperatorSQL, email, tries, locked).Scan(&try.Operator, &try.Hash)
		if !missing(err) {
			return err
		}
		var wait *float64 // nil: no operator has this address
		err = a.db.pool.QueryRow(ctx, `select coalesce(extract(epoch from lockout_until - now()), 0)::float8 from control_center_users where email = $1`,
			email).Scan(&wait)
		if err == nil {
			return lockedOut(*wait)
		}
		if !missing(err) {
			return err
		}
		hash := sha256.Sum256([]byte(email))
		done, err := a.db.pool.Exec(ctx, tryNobodySQL, hash[:], tries, locked)
		if err != nil || done.RowsAffected() == 1 {
			return err
		}
		err = a.db.pool.QueryRow(ctx, `select coalesce(extract(epoch from lockout_until - now()), 0)::float8 from unknown_logins where email_hash = $1`,
			hash[:]).Scan(&wait)
		if err != nil {
			return err
		}
		return lockedOut(*wait)
	})
	return try, err
}

func lockedOut(seconds float64) error {
	wait := max(time.Second, time.Duration(seconds*float64(time.Second)))
	return &core.Error{Code: core.RateLimited, Message: "too many failed log-ins: locked for a while", RetryAfter: wait}
}

// LogIn implements auth.Operators. The lock on the operator's row makes a deactivation or a new password, which revoke all auth
// sessions, wait for this one's, or this one see them.
func (a *Accounts) LogIn(ctx context.Context, right auth.PasswordTry, session auth.NewSession) (account auth.Account, err error) {
	err = a.db.inTx(ctx, "log in", func(ctx context.Context, tx *tx) error {
		done, err := tx.Exec(ctx, `update control_center_users set failed_login_count = 0, lockout_until = null
			where id = $1 and password_hash = $2`, right.Operator, right.Hash)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return core.Errorf(core.Unauthenticated, "wrong email or password")
		}
		account, err = tx.signedIn(ctx, core.Operator, core.UserID(right.Operator), session)
		return err
	})
	return account, err
}

// ForgiveTries implements auth.Operators.
func (a *Accounts) ForgiveTries(ctx context.Context, operator core.OperatorID) error {
	return a.db.within(ctx, "forgive tries", func(ctx context.Context) error {
		_, err := a.db.pool.Exec(ctx, `update control_center_users set failed_login_count = 0, lockout_until = null where id = $1`, operator)
		return err
	})
}
