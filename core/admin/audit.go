package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// AuditEntry is one change that an operator made.
type AuditEntry struct {
	ID            int64
	OperatorID    core.OperatorID // zero: the system
	OperatorEmail string
	Action        string // such as mitra.deactivate
	SubjectType   string
	SubjectID     core.UserID     // zero: what is changed has no id
	Before, After json.RawMessage // nil: there was nothing
	At            time.Time
}

// AuditFilter narrows the audit log. Zero fields do not.
type AuditFilter struct {
	Operator core.OperatorID
	Subject  core.UserID
}

// AuditLog lists changes, last first. BAD_MESSAGE of the page, UNAVAILABLE.
func (s *Service) AuditLog(ctx context.Context, filter AuditFilter, page Page) (List[AuditEntry], error) {
	read := func(ctx context.Context, span Span) ([]AuditEntry, error) {
		return s.stores.Audit.AuditLog(ctx, filter, span)
	}
	return list(ctx, page, Latest, read, func(e AuditEntry) Key { return Key{Number: e.ID} })
}
