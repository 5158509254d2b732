package postgres

import (
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
)

// ListStatement is the statement of a page of a list, with its parameters.
type ListStatement struct {
	SQL  string
	Args []any
}

// ListStatements are the lists that grow without end, with each kind of filter, on their first page and on a later one.
func ListStatements(mitra core.MitraID, customer core.CustomerID, operator core.OperatorID) map[string]ListStatement {
	all := map[string]ListStatement{}
	add := func(name string, order admin.Order, after admin.Key, list func(admin.Span) (*query, string)) {
		for page, key := range map[string]*admin.Key{"": nil, ", later": &after} {
			q, sql := list(admin.Span{Order: order, After: key, Limit: 51})
			all[name+page] = ListStatement{sql, q.args}
		}
	}
	no, day := false, admin.Key{At: time.Now().Add(-24 * time.Hour), ID: mitra}
	name, phone := admin.Key{Text: "Mitra 11", ID: mitra}, admin.Key{Text: "+628100001"}
	for what, filter := range map[string]admin.MitraFilter{
		"all": {}, "online": {Mode: "online"}, "offline": {Mode: "offline"}, "inactive": {Active: &no}, "online and inactive": {Mode: "online", Active: &no},
	} {
		add("mitras, "+what, admin.Newest, day, func(s admin.Span) (*query, string) { return mitrasQuery(filter, s, 1) })
	}
	add("mitras by name", admin.ByName, name, func(s admin.Span) (*query, string) {
		return mitrasQuery(admin.MitraFilter{Search: admin.Search{Name: "Mitra 1"}}, s, 1)
	})
	add("mitras by phone", admin.ByPhone, phone, func(s admin.Span) (*query, string) {
		return mitrasQuery(admin.MitraFilter{Search: admin.Search{Phone: "+6281"}}, s, 1)
	})
	add("customers", admin.Newest, day, func(s admin.Span) (*query, string) { return customersQuery(admin.Search{}, s) })
	add("customers by name", admin.ByName, admin.Key{Text: "Customer 11", ID: mitra}, func(s admin.Span) (*query, string) {
		return customersQuery(admin.Search{Name: "Customer 1"}, s)
	})
	add("customers by phone", admin.ByPhone, phone, func(s admin.Span) (*query, string) {
		return customersQuery(admin.Search{Phone: "+6281"}, s)
	})
	recent := time.Now().Add(-time.Hour)
	for what, filter := range map[string]admin.SessionFilter{
		"all": {}, "of a customer": {Customer: customer}, "of a mitra": {Mitra: mitra}, "active": {Status: "active"},
		"ended": {Status: "ended"}, "recent": {From: recent}, "old": {To: recent}, "unmatched of a day": {Status: "unmatched", From: recent, To: time.Now()},
		"ended of a mitra": {Status: "ended", Mitra: mitra},
	} {
		add("sessions, "+what, admin.Newest, day, func(s admin.Span) (*query, string) { return sessionsQuery(filter, s) })
	}
	line := admin.Key{Number: 10_000}
	for what, filter := range map[string]admin.AuditFilter{"all": {}, "of an operator": {Operator: operator}, "of a subject": {Subject: core.UserID(mitra)}} {
		add("audit log, "+what, admin.Latest, line, func(s admin.Span) (*query, string) { return auditQuery(filter, s) })
	}
	add("status log", admin.Latest, line, func(s admin.Span) (*query, string) { return statusLogQuery(mitra, s) })
	return all
}

// WorkSQL is the dashboard's statement; its parameter is when the day began.
const WorkSQL = workSQL
