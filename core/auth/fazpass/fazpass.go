// Package fazpass sends phone codes through Fazpass. The codes are ours: Fazpass only carries them (POST /v1/otp/send), so that
// limits, expiry and comparison stay in our database and work as they do with the development provider. Over which channel a code
// travels, SMS or WhatsApp, is decided by the gateway that was set up in the vendor's dashboard and is named by its key.
//
//	SendCode ─► POST /v1/otp/send {phone, gateway_key, otp} ─► 2xx, status true: sent
//	                                                        ├► 503xxxx: their own supplier is out, nothing was sent: once more
//	                                                        ├► another code: an error by the table in codes.go
//	                                                        └► no answer in time: an error, and never once more: it may have
//	                                                           been sent, and a second message costs a second time
package fazpass

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// DefaultURL is the vendor's address.
	DefaultURL = "https://api.fazpass.com"

	defaultTimeout = 12 * time.Second
	maxAnswer      = 64 << 10
)

// Config is the merchant's account. MerchantKey and GatewayKey are needed.
type Config struct {
	MerchantKey string        // FAZPASS_MERCHANT_KEY, sent as a Bearer token
	GatewayKey  string        // FAZPASS_GATEWAY_KEY: the channel
	URL         string        // DefaultURL
	Timeout     time.Duration // of one call; 12 s
}

// Sender implements auth.CodeSender. Its method may be called concurrently.
type Sender struct {
	cfg    Config
	client *http.Client
}

// New makes a sender. The client is not to follow redirects anywhere: the call carries our key.
func New(cfg Config) (*Sender, error) {
	if cfg.MerchantKey == "" || cfg.GatewayKey == "" {
		return nil, errors.New("FAZPASS_MERCHANT_KEY and FAZPASS_GATEWAY_KEY are needed")
	}
	if cfg.URL == "" {
		cfg.URL = DefaultURL
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = 32
	return &Sender{cfg: cfg, client: &http.Client{
		Transport: transport, Timeout: cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close lets go of idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// message is the request of /v1/otp/send.
type message struct {
	Phone      string `json:"phone"` // without the plus
	GatewayKey string `json:"gateway_key"`
	OTP        string `json:"otp"`
}

// answer is what every call is answered with.
type answer struct {
	Status  bool   `json:"status"`
	Message string `json:"message"`
	Code    code   `json:"code"`
}

// SendCode brings a code to a phone (E.164). Its errors carry RATE_LIMITED and ATTEMPTS_EXCEEDED with RetryAfter, BAD_MESSAGE of phone, or
// UNAVAILABLE; their texts are for the log and hold neither code nor key.
func (s *Sender) SendCode(ctx context.Context, _ core.UserType, phone, otp string) error {
	body, err := json.Marshal(message{Phone: strings.TrimPrefix(phone, "+"), GatewayKey: s.cfg.GatewayKey, OTP: otp})
	if err != nil {
		return core.Wrap(core.Internal, fmt.Errorf("fazpass: encode: %w", err))
	}
	err = s.post(ctx, body)
	if passing := new(refusal); errors.As(err, &passing) && passing.code.supplierOut() {
		err = s.post(ctx, body)
	}
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.coded()
	}
	if err != nil {
		return core.Wrap(core.Unavailable, fmt.Errorf("fazpass: %w", err))
	}
	return nil
}

// post makes one call. A refusal is the vendor's own word that nothing was sent.
func (s *Sender) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL+"/v1/otp/send", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.cfg.MerchantKey)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("answer %d broke off: %w", response.StatusCode, err)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("answer %d is not theirs", response.StatusCode)
	}
	if response.StatusCode/100 == 2 && a.Status {
		return nil
	}
	return &refusal{status: response.StatusCode, code: a.Code}
}
