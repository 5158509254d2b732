package postgres_test

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// operator makes one of a role who acts in the test.
func (w *world) operator(role core.Role) core.OperatorID {
	id := core.NewID[core.OperatorID]()
	w.exec(`insert into control_center_users (id, email, display_name, password_hash, role) values ($1, $2, 'O', 'x', $3)`, id, id.String()+"@halo.test", role)
	return id
}

// signIn opens an auth session for a user, past the service.
func (w *world) signIn(kind core.UserType, id core.UserID) core.AuthSessionID {
	session := core.NewID[core.AuthSessionID]()
	w.exec(`insert into auth_sessions (id, user_type, user_id, salt, refresh_hash, expires_at) values ($1, $2, $3, '\x00', 'x', now() + interval '1 day')`,
		session, kind, id)
	return session
}

// audited gives the audit log's lines about a subject, oldest first, as "action before -> after".
func (w *world) audited(subject [16]byte) []string {
	w.t.Helper()
	return value[[]string](w, `
		select coalesce(array_agg(action || ' ' || coalesce(before::text, '-') || ' -> ' || coalesce(after::text, '-') order by id), '{}')
		from audit_logs where subject_id = $1`, core.UserID(subject))
}

func TestOperators_LifeOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, boss := w.db.Admin(), w.operator(core.Admin)
	made, err := a.AddOperator(t.Context(), boss, admin.NewOperator{Email: "ani@halo.test", DisplayName: "Ani", Role: core.Attendant}, "hash")
	require.NoError(t, err)
	require.Equal(t, admin.Operator{ID: made.ID, Email: "ani@halo.test", DisplayName: "Ani", Role: core.Attendant, Active: true, CreatedAt: made.CreatedAt}, made)
	_, err = a.AddOperator(t.Context(), boss, admin.NewOperator{Email: "ani@halo.test", DisplayName: "Other", Role: core.Admin}, "hash")
	code(t, err, core.Conflict)

	name, role, no := "Ani S", core.Admin, false
	session := w.signIn(core.Operator, core.UserID(made.ID))
	_, err = a.ChangeOperator(t.Context(), boss, made.ID, admin.OperatorChange{DisplayName: &name})
	require.NoError(t, err)
	require.Empty(t, events[auth.Revoked](w, core.AuthRevoked, made.ID), "a name is no right")
	changed, err := a.ChangeOperator(t.Context(), boss, made.ID, admin.OperatorChange{Role: &role})
	require.NoError(t, err)
	require.Equal(t, core.Admin, changed.Role)
	require.Equal(t, []core.AuthSessionID{session}, events[auth.Revoked](w, core.AuthRevoked, made.ID)[0].Sessions, "its token tells the old role")

	session = w.signIn(core.Operator, core.UserID(made.ID))
	_, err = a.ChangeOperator(t.Context(), boss, made.ID, admin.OperatorChange{Active: &no})
	require.NoError(t, err)
	last := events[auth.Revoked](w, core.AuthRevoked, made.ID)[1]
	require.Equal(t, []core.AuthSessionID{session}, last.Sessions)
	require.Equal(t, auth.Deactivated, last.Reason)
	require.Len(t, w.audited(made.ID), 4)

	_, err = a.ChangeOperator(t.Context(), boss, made.ID, admin.OperatorChange{Active: &no})
	require.NoError(t, err)
	require.Len(t, w.audited(made.ID), 4, "what changes nothing is not noted")
	_, err = a.ChangeOperator(t.Context(), boss, core.NewID[core.OperatorID](), admin.OperatorChange{Active: &no})
	code(t, err, core.NotFound)
}

func TestOperators_PasswordReset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss, ani := w.operator(core.Admin), w.operator(core.Attendant)
	keep, other := w.signIn(core.Operator, core.UserID(ani)), w.signIn(core.Operator, core.UserID(ani))
	w.exec(`update control_center_users set failed_login_count = 3, lockout_until = now() + interval '1 hour' where id = $1`, ani)
	require.NoError(t, w.db.Admin().SetPassword(t.Context(), ani, ani, "new", keep))
	require.Equal(t, []core.AuthSessionID{other}, events[auth.Revoked](w, core.AuthRevoked, ani)[0].Sessions)
	require.NoError(t, w.db.Admin().SetPassword(t.Context(), boss, ani, "newer", core.AuthSessionID{}))
	require.Equal(t, []core.AuthSessionID{keep}, events[auth.Revoked](w, core.AuthRevoked, ani)[1].Sessions)
	require.Equal(t, "newer", value[string](w, `select password_hash from control_center_users where id = $1 and failed_login_count = 0 and lockout_until is null`, ani))
	for _, line := range w.audited(ani) {
		require.NotContains(t, line, "new", "no hash is noted")
	}
	code(t, w.db.Admin().SetPassword(t.Context(), boss, core.NewID[core.OperatorID](), "x", core.AuthSessionID{}), core.NotFound)
}

// Two admins take each other's role at the same moment: one of them keeps it.
func TestOperators_AnAdminStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.operator(core.Admin), w.operator(core.Admin)
	role := core.Attendant
	var racing sync.WaitGroup
	for _, pair := range [][2]core.OperatorID{{a, b}, {b, a}} {
		racing.Go(func() {
			_, err := w.db.Admin().ChangeOperator(t.Context(), pair[0], pair[1], admin.OperatorChange{Role: &role})
			if err != nil {
				code(t, err, core.Conflict)
			}
		})
	}
	racing.Wait()
	require.Equal(t, 1, value[int](w, `select count(*) from control_center_users where role = 'admin' and is_active`))
}

func TestMitras_MadeAndChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, by := w.db.Admin(), w.operator(core.Attendant)
	made, err := a.AddMitra(t.Context(), by, admin.NewMitra{Phone: "+6281234567890", DisplayName: "Sari", MaxCapacity: 3})
	require.NoError(t, err)
	require.Equal(t, []any{"offline", 3, 3, 0, true}, []any{made.Mode, made.MaxCapacity, made.OwnMaxCapacity, made.Capacity, made.Active})
	_, err = a.AddMitra(t.Context(), by, admin.NewMitra{Phone: "+6281234567890", DisplayName: "Dewi"})
	code(t, err, core.Conflict)

	none, name := 0, "Sari P"
	changed, err := a.ChangeMitra(t.Context(), by, made.ID, admin.MitraChange{DisplayName: &name, MaxCapacity: &none})
	require.NoError(t, err)
	require.Equal(t, []any{"Sari P", 1, 0, made.Version + 1}, []any{changed.DisplayName, changed.MaxCapacity, changed.OwnMaxCapacity, changed.Version})
	require.Equal(t, []string{
		`mitra.create - -> {"phone": "+6281234567890", "display_name": "Sari", "max_capacity": 3}`,
		`mitra.change {"display_name": "Sari", "max_capacity": 3} -> {"display_name": "Sari P", "max_capacity": null}`,
	}, w.audited(made.ID))
}

// A bound that the mitra has reached takes its open offers; a higher one makes it available anew.
func TestMitras_CapacityMovesOffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, by, two, one := w.db.Admin(), w.operator(core.Attendant), 2, 1
	m := w.mitra()
	w.accepts(w.asks(w.free, m), m)
	w.exec(`update mitras set available_since = now() - interval '1 hour' where id = $1`, m)
	_, err := a.ChangeMitra(t.Context(), by, m, admin.MitraChange{MaxCapacity: &two})
	require.NoError(t, err)
	require.True(t, value[bool](w, `select available_since > now() - interval '1 minute' from mitras where id = $1`, m))

	offered := w.asks(w.free, m)
	require.Equal(t, "offered", w.offerStatus(offered, m))
	_, err = a.ChangeMitra(t.Context(), by, m, admin.MitraChange{MaxCapacity: &one})
	require.NoError(t, err)
	require.Equal(t, "withdrawn", w.offerStatus(offered, m))
}

func TestConfig_PutIsNotedAndHoldsEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, by := w.db.Admin(), w.operator(core.Admin)
	var mirrored []core.MitraID
	w.db.OnCommit(func(_ []core.Event, mitras []core.MitraID) { mirrored = append(mirrored, mitras...) })
	m := w.mitra()
	before, err := a.PutSetting(t.Context(), by, "mitra_max_capacity", json.RawMessage(`1`))
	require.NoError(t, err)
	require.Zero(t, before.UpdatedBy, "what holds already is not written")
	for _, put := range []string{`4`, `4`, `5`} {
		now, err := a.PutSetting(t.Context(), by, "mitra_max_capacity", json.RawMessage(put))
		require.NoError(t, err)
		require.Equal(t, put, string(now.Value))
		require.Equal(t, by, now.UpdatedBy)
	}
	require.Equal(t, 5, w.db.Settings().Current().MitraMaxCapacity)
	require.Contains(t, mirrored, m, "it can hold more now")
	require.Equal(t, []string{`{"key": "mitra_max_capacity", "value": 1} {"key": "mitra_max_capacity", "value": 4}`, `{"key": "mitra_max_capacity", "value": 4} {"key": "mitra_max_capacity", "value": 5}`},
		value[[]string](w, `select array_agg(coalesce(before::text, '-') || ' ' || after order by id) from audit_logs where action = 'config.put'`))
}

func TestPackages_LifeOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, by := w.db.Admin(), w.operator(core.Attendant)
	made, err := a.AddPackage(t.Context(), by, admin.Package{Name: "Malam", Minutes: 45, Price: 60_000, Active: true})
	require.NoError(t, err)
	price, no := int64(65_000), false
	s := w.asks(made.ID, w.mitra())
	changed, err := a.ChangePackage(t.Context(), by, made.ID, admin.PackageChange{Price: &price, Active: &no})
	require.NoError(t, err)
	require.Equal(t, admin.Package{ID: made.ID, Name: "Malam", Minutes: 45, Price: 65_000, CreatedAt: made.CreatedAt}, changed)
	require.Equal(t, int64(60_000), s.Price)
	require.Equal(t, int64(60_000), value[int64](w, `select price from chat_sessions where id = $1`, s.ID), "it was asked for at the old price")
	require.Len(t, w.audited(made.ID), 2)
	_, err = a.ChangePackage(t.Context(), by, core.NewID[core.PackageID](), admin.PackageChange{Active: &no})
	code(t, err, core.NotFound)
}

func TestSignOut_EachKind(t *testing.T) {
	t.Parallel()
	auditKind := map[core.UserType]string{core.Operator: "operator", core.Mitra: "mitra", core.Customer: "customer"}
	w := newWorld(t)
	by := w.operator(core.Attendant)
	for kind, id := range map[core.UserType]core.UserID{
		core.Customer: core.UserID(w.customer()), core.Mitra: core.UserID(w.mitra()), core.Operator: core.UserID(w.operator(core.Attendant)),
	} {
		w.signIn(kind, id)
		w.signIn(kind, id)
		n, err := w.db.Admin().SignOut(t.Context(), by, kind, id)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Len(t, events[auth.Revoked](w, core.AuthRevoked, id)[0].Sessions, 2)
		n, err = w.db.Admin().SignOut(t.Context(), by, kind, id)
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, []string{auditKind[kind] + `.sign_out {"auth_sessions": 2} -> {"auth_sessions": 0}`}, w.audited(id))
		_, err = w.db.Admin().SignOut(t.Context(), by, kind, core.NewID[core.UserID]())
		code(t, err, core.NotFound)
	}
}

func TestWork_Counts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	work, err := w.db.Admin().Work(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, work)

	w.starts()
	m := w.mitra()
	w.accepts(w.asks(w.paid, m), m)
	w.asks(w.free)
	paid := w.asks(w.paid)
	for _, payment := range []struct {
		at     string
		status string
	}{{"1 minute", "paid"}, {"2 days", "paid"}, {"1 minute", "refunded"}, {"1 minute", "expired"}} {
		w.exec(`insert into payments (id, session_id, customer_id, amount, status, paid_at) values (gen_random_uuid(), $1, $2, 25000, $3, now() - $4::interval)`,
			paid.ID, paid.CustomerID, payment.status, payment.at)
	}
	work, err = w.db.Admin().Work(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, admin.Work{Busy: 2, Searching: 2, PendingPayment: 1, Active: 1, PaidToday: 1, RevenueToday: 25_000}, work)
	online, available, err := w.db.Admin().MitrasOnline(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{2, 0}, []int{online, available})
}
