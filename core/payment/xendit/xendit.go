// Package xendit takes payments by Xendit's Payment Sessions: a page of Xendit's on which the customer pays.
//
//	Open    POST /sessions                 201: payment_session_id, payment_link_url
//	Look    GET  /sessions/{id}            ACTIVE ─► COMPLETED | EXPIRED | CANCELED
//	Cancel  POST /sessions/{id}/cancel     only while ACTIVE; anything else is looked up
//	Refund  POST /refunds, GET /refunds/{id}
//	Read    webhooks: payment_session.completed and .expired are taken as they are, payment.* only make us look,
//	        refund.* make us ask after the refund; whatever else the account sends is none of ours
//
// What comes back is told apart by what to do about it: PAYMENT_UNAVAILABLE to try again (no answer, 5xx, 429 with its pause, an answer
// that is not what is documented, a key that is not accepted), NOT_FOUND, payment.ErrRefused when trying again is no use.
//
// Sessions have no idempotency key that is documented, and no search by reference: after a call without an answer the same reference
// is opened again. The session of the lost answer has an address that nobody was shown.
package xendit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// Name stands in payments.provider.
const Name = "xendit"

// DefaultBaseURL is Xendit's API. Whether money is real is decided by the key.
const DefaultBaseURL = "https://api.xendit.co"

// Config is what an account has.
type Config struct {
	SecretKey     string
	CallbackToken string   // of webhooks
	BaseURL       string   // "": DefaultBaseURL
	Channels      []string // allowed_payment_channels; none: all of the account's
	SuccessURL    string   // where the customer's browser goes afterwards, HTTPS; "": stays
	CancelURL     string
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// shortest is what Xendit asks a session to live at least, with a margin for clocks that differ.
const shortest = 12 * time.Minute

// Client is the vendor. It may be used concurrently.
type Client struct {
	cfg    Config
	http   *http.Client
	clock  core.Clock
	limits limits
}

var (
	_ payment.Provider = (*Client)(nil)
	_ payment.Reader   = (*Client)(nil)
)

// New makes a client. It does not connect.
func New(cfg Config, clock core.Clock) *Client {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	return &Client{cfg: cfg, clock: clock, http: &http.Client{
		Timeout: payment.CallTimeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 5 * time.Second,
		},
		// A redirect would carry the key elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Name implements payment.Provider.
func (*Client) Name() string { return Name }

// Open implements payment.Provider.
func (c *Client) Open(ctx context.Context, i payment.Invoice) (payment.Checkout, error) {
	expires := i.ExpiresAt
	if least := c.clock().Add(shortest); expires.Before(least) {
		expires = least
	}
	order := sessionOrder{
		Reference: i.Reference.String(), Type: "PAY", Mode: "PAYMENT_LINK", Amount: i.Amount, Currency: payment.Currency, Country: "ID",
		ExpiresAt: expires.UTC().Format(time.RFC3339), Locale: "id", Description: i.Description, Channels: c.cfg.Channels,
		SuccessURL: c.cfg.SuccessURL, CancelURL: c.cfg.CancelURL,
	}
	checkout, err := c.session(ctx, postSession, "", order.Reference, order)
	switch {
	case err != nil:
		return payment.Checkout{}, err
	case checkout.Reference != i.Reference || checkout.URL == "" || checkout.Amount != i.Amount || checkout.Currency != payment.Currency:
		return payment.Checkout{}, garbage("the session is not the one that was ordered")
	}
	return checkout, nil
}

// Look implements payment.Provider.
func (c *Client) Look(ctx context.Context, id string) (payment.Checkout, error) {
	return c.session(ctx, getSession, id, "", nil)
}

// Cancel implements payment.Provider.
func (c *Client) Cancel(ctx context.Context, id string) (payment.Checkout, error) {
	checkout, err := c.session(ctx, cancelSession, id, "", nil)
	if errors.Is(err, payment.ErrRefused) { // it is not active any more
		return c.Look(ctx, id)
	}
	return checkout, err
}

// Refund implements payment.Provider.
func (c *Client) Refund(ctx context.Context, r payment.RefundOrder) (payment.RefundState, error) {
	var answer refund
	var err error
	if r.ID != "" {
		err = c.call(ctx, getRefund, r.ID, "", nil, &answer)
	} else {
		err = c.call(ctx, postRefund, "", r.Reference.String(), refundOrder{
			Request: r.Charge, Reference: r.Reference.String(), Amount: r.Amount, Currency: payment.Currency, Reason: "REQUESTED_BY_CUSTOMER",
		}, &answer)
	}
	var said *Refusal
	if errors.As(err, &said) && said.Code == "REFUND_IN_PROGRESS" {
		return payment.RefundState{ID: r.ID, Pending: true}, nil
	}
	if err != nil {
		return payment.RefundState{}, err
	}
	return answer.state()
}

func (c *Client) session(ctx context.Context, e endpoint, id, key string, body any) (payment.Checkout, error) {
	var answer session
	if err := c.call(ctx, e, id, key, body, &answer); err != nil {
		return payment.Checkout{}, err
	}
	return answer.checkout()
}

// call makes one request and reads its answer. key makes it idempotent where the vendor heeds that.
func (c *Client) call(ctx context.Context, e endpoint, id, key string, body, answer any) error {
	if left := c.limits.left(e, c.clock()); left > 0 {
		return &core.Error{Code: core.PaymentUnavailable, Message: "the vendor's limit is reached", RetryAfter: left}
	}
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode a request: %w", err)
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, e.method, c.cfg.BaseURL+strings.Replace(e.path, "{id}", url.PathEscape(id), 1), payload)
	if err != nil {
		return fmt.Errorf("XENDIT_BASE_URL: %w", err)
	}
	request.SetBasicAuth(c.cfg.SecretKey, "")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return core.Wrap(core.PaymentUnavailable, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return core.Wrap(core.PaymentUnavailable, fmt.Errorf("read the answer: %w", err))
	}
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests:
		c.limits.reached(e, c.clock().Add(pause(response.Header)))
		return failure(response, text)
	case status/100 != 2:
		return failure(response, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return garbage(err.Error())
	}
	return nil
}

// Refusal is what Xendit says when it does not do what was asked.
type Refusal struct {
	Status  int
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

// Error is all of it.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s %s", r.Status, r.Code, r.Message) }

// failure tells apart what an error status means.
func failure(response *http.Response, text []byte) error {
	said := &Refusal{}
	_ = json.Unmarshal(text, said) // a proxy's error page says no more than its status
	said.Status = response.StatusCode
	switch status := response.StatusCode; {
	case status == http.StatusNotFound:
		return core.Wrap(core.NotFound, said)
	case status == http.StatusTooManyRequests:
		return &core.Error{Code: core.PaymentUnavailable, RetryAfter: pause(response.Header), Err: said}
	case status/100 != 4, status == http.StatusUnauthorized, status == http.StatusRequestTimeout,
		status == http.StatusForbidden && (said.Code == "" || said.Code == "REQUEST_FORBIDDEN_ERROR"):
		// A key that is wrong is mended by people, and meanwhile no payment is at fault.
		return core.Wrap(core.PaymentUnavailable, said)
	default:
		return fmt.Errorf("%w: %w", payment.ErrRefused, said)
	}
}

// garbage is an answer that is not what Xendit documents.
func garbage(what string) error {
	return core.Wrap(core.PaymentUnavailable, fmt.Errorf("the answer cannot be used: %s", what))
}
