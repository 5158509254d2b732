package postgres_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// requireLimit wants a code and a time to come back that is above zero and not beyond most.
func requireLimit(t *testing.T, want core.Code, most time.Duration, err error) {
	t.Helper()
	require.Equal(t, want, core.CodeOf(err), "%v", err)
	var coded *core.Error
	require.ErrorAs(t, err, &coded)
	require.Positive(t, coded.RetryAfter)
	require.LessOrEqual(t, coded.RetryAfter, most)
}

func guess(c auth.NewCode, mac byte) auth.Attempt {
	macs := [][]byte{make([]byte, 32), make([]byte, 32)}
	for i := range macs[1] {
		macs[1][i] = mac
	}
	return auth.Attempt{Request: c.ID, App: c.App, MACs: macs, MaxAttempts: 5}
}

func TestCodes_DeliveredOnlyToWhoIsThere(t *testing.T) {
	t.Parallel()
	a, _, _ := accounts(t)
	_, err := a.SeedMitra(t.Context(), phone, "Sri", newSession())
	require.NoError(t, err)
	for _, c := range []struct {
		code    auth.NewCode
		deliver bool
	}{
		{newCode(core.Mitra, phone), true},
		{newCode(core.Mitra, "+6281100000000"), false},
		{newCode(core.Customer, "+6281100000001"), true},
	} {
		deliver, err := a.Issue(t.Context(), c.code)
		require.NoError(t, err)
		require.Equal(t, c.deliver, deliver)
		proved, err := a.Attempt(t.Context(), guess(c.code, 1))
		if c.deliver {
			require.NoError(t, err)
			require.Equal(t, c.code.Phone, proved)
		} else {
			require.Equal(t, core.CodeMismatch, core.CodeOf(err), "nobody can hit it")
		}
	}
}

func TestCodes_ErrResendCooldown(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	first := newCode(core.Customer, phone)
	_, err := a.Issue(t.Context(), first)
	require.NoError(t, err)
	_, err = a.Issue(t.Context(), newCode(core.Customer, phone))
	requireLimit(t, core.ResendCooldown, time.Minute, err)
	_, err = a.Attempt(t.Context(), guess(first, 1))
	require.NoError(t, err, "a refused request kills nothing")
	_, err = a.Issue(t.Context(), newCode(core.Mitra, phone))
	require.NoError(t, err, "the other app has a cooldown of its own")

	pgtest.Exec(t, url, `update otp_requests set created_at = created_at - interval '61 seconds'`)
	_, err = a.Issue(t.Context(), newCode(core.Customer, phone))
	require.NoError(t, err)
}

func TestCodes_ErrDeadAfterAResend(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	first := newCode(core.Customer, phone)
	_, err := a.Issue(t.Context(), first)
	require.NoError(t, err)
	pgtest.Exec(t, url, `update otp_requests set created_at = created_at - interval '61 seconds'`)
	second := newCode(core.Customer, phone)
	_, err = a.Issue(t.Context(), second)
	require.NoError(t, err)
	_, err = a.Attempt(t.Context(), guess(first, 1))
	require.Equal(t, core.OTPExpired, core.CodeOf(err))
	_, err = a.Attempt(t.Context(), guess(second, 1))
	require.NoError(t, err)
}

func TestCodes_ErrLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit func(s *core.Settings)
		next  func(i int, c *auth.NewCode)
	}{
		"a phone": {
			func(s *core.Settings) { s.OTPPerPhoneHour = 3 },
			func(i int, c *auth.NewCode) { c.Origin = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) },
		},
		"an address": {
			func(s *core.Settings) { s.OTPPerIPHour = 3 },
			func(i int, c *auth.NewCode) { c.Phone = fmt.Sprintf("+62811000000%02d", i) },
		},
		"all": {
			func(s *core.Settings) { s.OTPGlobalHour = 3 },
			func(i int, c *auth.NewCode) {
				c.Phone, c.Origin = fmt.Sprintf("+62811000000%02d", i), netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, url, _ := accounts(t)
			ask := func(i int) error {
				code := newCode(core.Customer, phone)
				code.Settings.OTPPerPhoneHour, code.Settings.OTPPerIPHour, code.Settings.OTPGlobalHour = 20, 1000, 100_000
				c.limit(&code.Settings)
				c.next(i, &code)
				_, err := a.Issue(t.Context(), code)
				return err
			}
			for i := range 3 {
				require.NoError(t, ask(i))
				pgtest.Exec(t, url, `update otp_requests set created_at = created_at - interval '10 minutes'`)
			}
			requireLimit(t, core.RateLimited, 31*time.Minute, ask(3))
			pgtest.Exec(t, url, `update otp_requests set created_at = created_at - interval '31 minutes'`)
			require.NoError(t, ask(4), "the oldest has left the hour")
			requireLimit(t, core.RateLimited, time.Hour, ask(5))
		})
	}
}

func TestCodes_LimitsHoldForParallelRequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit func(s *core.Settings)
		next  func(i int, c *auth.NewCode)
		want  int32
	}{
		"one phone": {func(*core.Settings) {}, func(i int, c *auth.NewCode) { c.Origin = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }, 1},
		"one address": {
			func(s *core.Settings) { s.OTPPerIPHour = 4 },
			func(i int, c *auth.NewCode) { c.Phone = fmt.Sprintf("+62811000000%02d", i) }, 4,
		},
		"all": {
			func(s *core.Settings) { s.OTPGlobalHour = 5 },
			func(i int, c *auth.NewCode) {
				c.Phone, c.Origin = fmt.Sprintf("+62811000000%02d", i), netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			}, 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _, _ := accounts(t)
			var issued atomic.Int32
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() {
					code := newCode(core.Customer, phone)
					c.limit(&code.Settings)
					c.next(i, &code)
					_, err := a.Issue(t.Context(), code)
					if err == nil {
						issued.Add(1)
						return
					}
					require.Contains(t, []core.Code{core.ResendCooldown, core.RateLimited}, core.CodeOf(err), "%v", err)
				})
			}
			all.Wait()
			require.Equal(t, c.want, issued.Load())
		})
	}
}

func TestCodes_ParallelGuessesNeverExceedTheLimit(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	code := newCode(core.Customer, phone)
	_, err := a.Issue(t.Context(), code)
	require.NoError(t, err)
	var compared, exceeded atomic.Int32
	work := make(chan struct{}, 10_000)
	for range cap(work) {
		work <- struct{}{}
	}
	close(work)
	var all sync.WaitGroup
	for range 24 {
		all.Go(func() {
			for range work {
				_, err := a.Attempt(t.Context(), guess(code, 9))
				switch core.CodeOf(err) {
				case core.CodeMismatch:
					compared.Add(1)
				case core.AttemptsExceeded:
					exceeded.Add(1)
				default:
					require.NoError(t, err)
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 5, compared.Load())
	require.EqualValues(t, cap(work)-5, exceeded.Load())
	require.EqualValues(t, 5, pgtest.Value[int32](t, url, `select attempts from otp_requests`))
	_, err = a.Attempt(t.Context(), guess(code, 1))
	require.Equal(t, core.AttemptsExceeded, core.CodeOf(err), "the right code comes too late")
}

func TestCodes_ErrAttempt(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	code := newCode(core.Customer, phone)
	_, err := a.Issue(t.Context(), code)
	require.NoError(t, err)

	_, err = a.Attempt(t.Context(), auth.Attempt{Request: core.NewID[core.OTPRequestID](), App: core.Customer, MaxAttempts: 5})
	require.Equal(t, core.OTPExpired, core.CodeOf(err), "no such request")

	_, err = a.Attempt(t.Context(), guess(code, 9))
	require.Equal(t, core.CodeMismatch, core.CodeOf(err))
	var coded *core.Error
	require.ErrorAs(t, err, &coded)
	require.Equal(t, 4, coded.AttemptsLeft)

	other := guess(code, 1)
	other.App = core.Mitra
	_, err = a.Attempt(t.Context(), other)
	require.Equal(t, core.WrongFlow, core.CodeOf(err))

	pgtest.Exec(t, url, `update otp_requests set expires_at = now()`)
	_, err = a.Attempt(t.Context(), guess(code, 1))
	require.Equal(t, core.OTPExpired, core.CodeOf(err))
	pgtest.Exec(t, url, `update otp_requests set expires_at = now() + interval '1 minute'`)

	_, err = a.Attempt(t.Context(), guess(code, 1))
	require.NoError(t, err)
	_, err = a.Attempt(t.Context(), guess(code, 1))
	require.Equal(t, core.OTPUsed, core.CodeOf(err))
}
