package sandbox_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/core/payment/sandbox"
)

// desk is the vendor's side in memory.
type desk struct {
	mu   sync.Mutex
	err  error
	kept map[string]payment.Checkout
}

func (d *desk) Open(_ context.Context, c payment.Checkout) (payment.Checkout, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, there := range d.kept {
		if there.Reference == c.Reference {
			return there, d.err
		}
	}
	d.kept[c.ID] = c
	return c, d.err
}

func (d *desk) Read(_ context.Context, id string) (payment.Checkout, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, there := d.kept[id]
	if !there && d.err == nil {
		return c, core.Errorf(core.NotFound, "no such session")
	}
	return c, d.err
}

func (d *desk) Close(ctx context.Context, id string, to payment.State) (payment.Checkout, bool, error) {
	c, err := d.Read(ctx, id)
	if err != nil || c.State != payment.Active {
		return c, false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c.State = to
	d.kept[id] = c
	return c, true, nil
}

// told is what the gateway was told.
type told struct {
	mu  sync.Mutex
	all []payment.Checkout
	err error
}

func (t *told) tell(_ context.Context, c payment.Checkout) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, c)
	return t.err
}

func open(t *testing.T) (*sandbox.Sandbox, *desk, *told, *httptest.Server) {
	t.Helper()
	d, heard := &desk{kept: map[string]payment.Checkout{}}, &told{}
	vendor := sandbox.New(d, func() string { return "http://127.0.0.1:3000" })
	server := httptest.NewServer(vendor.Page(heard.tell, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	return vendor, d, heard, server
}

func invoice() payment.Invoice {
	return payment.Invoice{Reference: core.NewID[core.PaymentID](), Amount: 1_025_000, ExpiresAt: time.Now().Add(time.Hour)}
}

func TestOpen_OnceAReference(t *testing.T) {
	t.Parallel()
	vendor, _, _, _ := open(t)
	i := invoice()
	first, err := vendor.Open(t.Context(), i)
	require.NoError(t, err)
	again, err := vendor.Open(t.Context(), i)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, "http://127.0.0.1:3000"+sandbox.Path+first.ID, first.URL)
	cancelled, err := vendor.Cancel(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, payment.SessionCanceled, cancelled.State)
	_, err = vendor.Look(t.Context(), "sb-none")
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func TestPage(t *testing.T) {
	t.Parallel()
	vendor, _, heard, server := open(t)
	get := func(path, language string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Language", language)
		response, err := server.Client().Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(text)
	}
	for button, want := range map[string]struct {
		state  payment.State
		id, en string
	}{
		"pay":    {payment.Completed, "Sudah dibayar", "Paid"},
		"fail":   {payment.SessionFailed, "Pembayaran gagal", "The payment failed"},
		"expire": {payment.SessionExpired, "Sudah kedaluwarsa", "Expired"},
	} {
		c, err := vendor.Open(t.Context(), invoice())
		require.NoError(t, err)
		path := sandbox.Path + c.ID
		status, text := get(path, "")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, text, "Bayar")
		require.Contains(t, text, "Rp 1.025.000")
		_, text = get(path, "en-GB,en;q=0.9")
		require.Contains(t, text, ">Pay<")
		for range 2 { // a second tap does nothing
			response, err := server.Client().Post(server.URL+path+"/"+button, "", nil)
			require.NoError(t, err)
			response.Body.Close()
			require.Equal(t, http.StatusOK, response.StatusCode, "led back to the page")
		}
		_, text = get(path, "id")
		require.Contains(t, text, want.id)
		require.Contains(t, text, `class="state `+string(want.state)+`"`, "for programs that tap")
		require.False(t, strings.Contains(text, "<form"))
		_, text = get(path, "en")
		require.Contains(t, text, want.en)
		last := heard.all[len(heard.all)-1]
		require.Equal(t, want.state, last.State)
		require.Equal(t, c.Reference, last.Reference)
		require.Equal(t, payment.Currency, last.Currency)
	}
	require.Len(t, heard.all, 3)
	for _, path := range []string{sandbox.Path + "sb-none", sandbox.Path, sandbox.Path + "sb-1/pay", sandbox.Path + "sb-1/steal"} {
		status, _ := get(path, "")
		require.Equal(t, http.StatusNotFound, status, path)
	}
}

func TestPage_WhatIsNotToldIsTappedAllTheSame(t *testing.T) {
	t.Parallel()
	vendor, d, heard, server := open(t)
	heard.err = errors.New("postgres is away")
	c, err := vendor.Open(t.Context(), invoice())
	require.NoError(t, err)
	response, err := server.Client().Post(server.URL+sandbox.Path+c.ID+"/pay", "", nil)
	require.NoError(t, err)
	response.Body.Close()
	got, err := vendor.Look(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, payment.Completed, got.State, "for the poller to find")
	require.NotEmpty(t, got.Charge)

	d.err = core.Wrap(core.Unavailable, errors.New("refused"))
	_, err = vendor.Look(t.Context(), c.ID)
	require.Equal(t, core.PaymentUnavailable, core.CodeOf(err))
	response, err = server.Client().Get(server.URL + sandbox.Path + c.ID)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
}

func TestRefund(t *testing.T) {
	t.Parallel()
	vendor, _, _, _ := open(t)
	got, err := vendor.Refund(t.Context(), payment.RefundOrder{Reference: core.NewID[core.RefundID](), Amount: 1})
	require.NoError(t, err)
	require.NotEmpty(t, got.ID)
	require.False(t, got.Pending)
	require.Empty(t, got.Failure)
}
