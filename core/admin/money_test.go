package admin

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

// purse is a store of money that notes what it is asked.
type purse struct {
	order  RefundOrder
	amount int64
	note   string
	span   Span
}

func (p *purse) Payments(_ context.Context, _ PaymentFilter, span Span) ([]Payment, error) {
	p.span = span
	return make([]Payment, span.Limit), nil
}

func (p *purse) PaymentStory(context.Context, core.PaymentID) (PaymentStory, error) {
	return PaymentStory{}, nil
}

func (p *purse) OrderRefund(_ context.Context, _ core.OperatorID, order RefundOrder) (Refund, error) {
	p.order = order
	return Refund{}, nil
}

func (p *purse) Credits(_ context.Context, _ core.CustomerID, span Span) (int64, []Credit, error) {
	p.span = span
	entries := make([]Credit, span.Limit)
	for i := range entries {
		entries[i].ID = int64(100 - i)
	}
	return 7, entries, nil
}

func (p *purse) GiveCredit(_ context.Context, _ core.OperatorID, _ core.CustomerID, amount int64, note string) (Credit, error) {
	p.amount, p.note = amount, note
	return Credit{}, nil
}

func TestMoney_Rules(t *testing.T) {
	t.Parallel()
	p := &purse{}
	s := NewService(Stores{Money: p, Sessions: &books{}}, Deps{})
	for _, amount := range []int64{0, MaxCredit + 1, -MaxCredit - 1} {
		_, err := s.GiveCredit(t.Context(), boss, core.CustomerID{}, amount, "")
		refused(t, err, core.BadMessage)
	}
	_, err := s.GiveCredit(t.Context(), boss, core.CustomerID{}, -5, strings.Repeat("é", maxNote+5))
	require.NoError(t, err)
	require.EqualValues(t, -5, p.amount)
	require.Equal(t, strings.Repeat("é", maxNote), p.note)
	_, err = s.OrderRefund(t.Context(), boss, RefundOrder{Amount: 3, Reason: strings.Repeat("é", maxNote+5)})
	require.NoError(t, err)
	require.Equal(t, RefundOrder{Amount: 3, Reason: strings.Repeat("é", maxNote)}, p.order)

	page, err := s.Ledger(t.Context(), core.CustomerID{}, Page{Limit: 2})
	require.NoError(t, err)
	require.EqualValues(t, 7, page.Balance)
	require.Len(t, page.Items, 2)
	_, err = s.Ledger(t.Context(), core.CustomerID{}, Page{Limit: 2, Cursor: page.Next})
	require.NoError(t, err)
	require.EqualValues(t, 99, p.span.After.Number)
	_, err = s.Payments(t.Context(), PaymentFilter{}, Page{Cursor: page.Next})
	refused(t, err, core.BadMessage)
	list, err := s.Payments(t.Context(), PaymentFilter{}, Page{})
	require.NoError(t, err)
	require.Len(t, list.Items, DefaultLimit)
	_, err = s.PaymentStory(t.Context(), core.PaymentID{})
	require.NoError(t, err)
	_, err = s.RerouteSession(t.Context(), boss, core.SessionID{}, "why")
	require.NoError(t, err)
}
