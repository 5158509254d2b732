package console_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/rest/openapi"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// walk reads a list page by page and gives the ids in order; no page is empty but an empty list's.
func (h *house) walk(path, query string, limit int) (ids []string) {
	h.t.Helper()
	cursor := ""
	for range 1000 {
		page := h.as(h.boss, "GET", fmt.Sprintf("%s?limit=%d%s%s", path, limit, query, cursor), "")
		items := page.items()
		require.LessOrEqual(h.t, len(items), limit)
		for _, item := range items {
			ids = append(ids, fmt.Sprint(item["id"]))
		}
		next, more := page.body["next_cursor"].(string)
		if !more {
			return ids
		}
		require.Len(h.t, items, limit)
		cursor = "&cursor=" + next
	}
	require.FailNow(h.t, "the list does not end")
	return nil
}

// Pages of any size put together are the whole list, each item once, in one order.
func TestLists_PagesMakeTheWhole(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.exec(`insert into mitras (id, phone, display_name, created_at, mode, is_active)
		select gen_random_uuid(), '+6281' || 1000000 + n, (array['Sari', 'sari', 'SARI P', 'Ayu', 'Şule', '%_'])[1 + n % 6], now() - (n / 7) * interval '1 second',
			(array['online', 'offline', 'finishing'])[1 + n % 3], n % 5 <> 0 from generate_series(1, 60) n`)
	h.exec(`insert into customers (id, display_name, phone, created_at)
		select gen_random_uuid(), case when n % 2 = 0 then 'Budi' else '' end, case when n % 3 = 0 then '+6282' || 1000000 + n end, now() - (n / 7) * interval '1 second'
		from generate_series(1, 40) n`)
	h.exec(`insert into session_packages (id, name, duration_minutes, price) select gen_random_uuid(), 'P', 10, n from generate_series(1, 12) n`)
	h.exec(`insert into chat_sessions (id, customer_id, package_id, status, duration_minutes, price, search_deadline_at, end_reason, ended_at, created_at)
		select gen_random_uuid(), c.id, p.id, case when random() < 0.5 then 'unmatched' else 'cancelled' end, 10, 0, now(), 'no_mitra', now(), c.created_at
		from customers c, (select id from session_packages limit 1) p`)
	h.exec(`insert into mitra_status_logs (mitra_id, mode, reason) select (select id from mitras order by id limit 1), 'online', 'self' from generate_series(1, 25)`)
	h.exec(`insert into audit_logs (operator_id, action, subject_type) select $1, 'x.y', 'x' from generate_series(1, 25)`, h.boss.id)
	for range 9 {
		h.exec(`insert into control_center_users (id, email, password_hash) values (gen_random_uuid(), gen_random_uuid() || '@halo.test', 'x')`)
	}
	logged := pgtest.Value[core.MitraID](t, h.url, `select mitra_id from mitra_status_logs limit 1`)
	for path, queries := range map[string]map[string]int{
		"/internal/mitras": {
			"": 60, "&mode=online": 20, "&is_active=false": 12, "&is_active=true&mode=finishing": 16, "&search=sari": 30, "&search=SARI%20p": 10,
			"&search=%2B6281": 60, "&search=0811": 60, "&search=81100001": 10, "&search=%25_": 10, "&search=zzz": 0, "&search=%C5%9Eu": 10,
		},
		"/internal/customers":                           {"": 40, "&search=bu": 20, "&search=%2B6282": 13, "&search=b%C3%BC": 0},
		"/internal/sessions":                            {"": 40, "&from=0": 40, "&to=1": 0, "&status=active": 0},
		"/internal/packages":                            {"": 12},
		"/internal/control-center-users":                {"": 11},
		"/internal/audit-logs":                          {"": 25, "&operator_id=" + h.boss.id.String(): 25, "&operator_id=" + h.ani.id.String(): 0},
		"/internal/mitras/" + logged.String() + "/logs": {"": 25},
	} {
		for query, want := range queries {
			whole := h.walk(path, query, 200)
			require.Len(t, whole, want, path+query)
			distinct := map[string]bool{}
			for _, id := range whole {
				distinct[id] = true
			}
			require.Len(t, distinct, len(whole), path+query)
			for _, limit := range []int{1, 7} {
				require.Equal(t, whole, h.walk(path, query, limit), "%s%s by %d", path, query, limit)
			}
		}
	}
}

func TestLists_Limits(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.exec(`insert into customers (id) select gen_random_uuid() from generate_series(1, 210)`)
	require.Len(t, h.as(h.ani, "GET", "/internal/customers", "").items(), 50)
	require.Len(t, h.as(h.ani, "GET", "/internal/customers?limit=200", "").items(), 200)
	lists := 0
	for _, r := range h.routes() {
		operation := h.described.Paths[r.path][strings.ToLower(r.method)]
		if !slices.ContainsFunc(operation.Parameters, func(p openapi.Parameter) bool { return p.Name == "limit" }) {
			continue
		}
		lists++
		path := strings.Replace(r.path, "{id}", core.NewID[core.UserID]().String(), 1)
		for _, bad := range []string{"0", "201", "abc", "-1", "", "1.5", "1e2", "99999999999999999999", "0x10", "%00"} {
			h.as(h.boss, "GET", path+"?limit="+bad, "").failed(http.StatusBadRequest, core.BadMessage, "limit")
		}
		h.as(h.boss, "GET", path+"?limit=5&limit=6", "").failed(http.StatusBadRequest, core.BadMessage, "limit")
		h.as(h.boss, "GET", path+"?limits=5", "").failed(http.StatusBadRequest, core.UnknownField, "limits")
		h.as(h.boss, "GET", path+"?Limit=5", "").failed(http.StatusBadRequest, core.UnknownField, "Limit")
		h.as(h.boss, "GET", path+"?limit=5;cursor=x", "").failed(http.StatusBadRequest, core.BadMessage, "")
		h.as(h.boss, "GET", path+"?limit=%zz", "").failed(http.StatusBadRequest, core.BadMessage, "")
		for _, forged := range []string{
			"x", "AAAA", "null", "%00", "..", "=", url.QueryEscape("' or 1=1"), strings.Repeat("A", 599), strings.Repeat("A", 601),
			base64.RawURLEncoding.EncodeToString([]byte("z" + strings.Repeat("\x00", 24))),           // of no order
			base64.RawURLEncoding.EncodeToString([]byte("c" + strings.Repeat("\xff", 24))),           // before 1970
			base64.RawURLEncoding.EncodeToString([]byte("c\x7f" + strings.Repeat("\xff", 23))),       // after all days
			base64.RawURLEncoding.EncodeToString([]byte("t" + strings.Repeat("\x00", 24) + "a\x00")), // a text that Postgres does not take
			base64.RawURLEncoding.EncodeToString([]byte("p" + strings.Repeat("\x00", 24) + "\xff")),
			base64.RawURLEncoding.EncodeToString([]byte("c" + strings.Repeat("\x00", 23))), // too short
		} {
			h.as(h.boss, "GET", path+"?cursor="+forged, "").failed(http.StatusBadRequest, core.BadMessage, "cursor")
		}
	}
	require.Equal(t, 9, lists)
}

// A cursor of one list or order does not fit another.
func TestLists_ForeignCursors(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.exec(`insert into mitras (id, phone, display_name) select gen_random_uuid(), '+6281' || 1000000 + n, 'Sari' from generate_series(1, 3) n`)
	next := func(query string) string {
		return h.as(h.ani, "GET", "/internal/mitras?limit=1"+query, "").ok(http.StatusOK)["next_cursor"].(string)
	}
	newest, byName, byPhone := next(""), next("&search=sa"), next("&search=%2B62")
	for query, cursors := range map[string][]string{"": {byName, byPhone}, "&search=sa": {newest, byPhone}, "&search=081": {newest, byName}} {
		for _, cursor := range cursors {
			h.as(h.ani, "GET", "/internal/mitras?cursor="+cursor+query, "").failed(http.StatusBadRequest, core.BadMessage, "cursor")
		}
	}
	h.as(h.ani, "GET", "/internal/audit-logs?cursor="+newest, "").failed(http.StatusBadRequest, core.BadMessage, "cursor")
}

func TestLists_Filters(t *testing.T) {
	t.Parallel()
	h := open(t)
	session, customer, mitra := h.talk()
	h.talk()
	for query, want := range map[string]int{
		"status=active": 2, "customer_id=" + customer: 1, "mitra_id=" + mitra: 1, "mitra_id=" + customer: 0,
		"status=ended&customer_id=" + customer: 0, "from=0&to=253402300799999": 2,
	} {
		require.Len(t, h.as(h.ani, "GET", "/internal/sessions?"+query, "").items(), want, query)
	}
	h.as(h.ani, "POST", "/internal/sessions/"+session+"/end", "").ok(http.StatusOK)
	require.Len(t, h.as(h.ani, "GET", "/internal/audit-logs?subject_id="+session, "").items(), 1)
	for query, field := range map[string]string{
		"status=over": "status", "status=": "status", "customer_id=x": "customer_id", "customer_id=": "customer_id", "mitra_id=1": "mitra_id",
		"from=yesterday": "from", "from=-1": "from", "to=253402300800000": "to", "from=2&to=2": "to", "status=active&status=ended": "status",
	} {
		h.as(h.ani, "GET", "/internal/sessions?"+query, "").failed(http.StatusBadRequest, core.BadMessage, field)
	}
	for query, field := range map[string]string{
		"mode=up": "mode", "is_active=1": "is_active", "is_active=": "is_active", "search=%ff": "search", "search=%00": "search",
		"search=" + strings.Repeat("a", 101): "search",
	} {
		h.as(h.ani, "GET", "/internal/mitras?"+query, "").failed(http.StatusBadRequest, core.BadMessage, field)
	}
}
