package fcm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/push"
)

const (
	defaultURL = "https://fcm.googleapis.com"
	// callTime bounds one call, to FCM or for an access token; the caller's context bounds both together.
	callTime  = 3 * time.Second
	maxAnswer = 64 << 10
)

// Config says as whom to send.
type Config struct {
	ProjectID   string // may be empty when Credentials name it
	Credentials []byte // a service account's JSON file; empty: the account of the Google Cloud machine that this runs on
	URL         string // of FCM; empty: Google's
	MetadataURL string // of the machine's metadata server; empty: Google's
}

// Sender implements push.Sender.
type Sender struct {
	client *http.Client
	url    string
	access *accessTokens
}

// New checks the configuration and makes a sender. It calls nobody yet. No error of it holds a part of the key.
func New(cfg Config, clock core.Clock) (*Sender, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64 // for a server that speaks HTTP/1.1
	client := &http.Client{
		Transport: transport, Timeout: callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // tokens go nowhere else
	}
	fetch, project := metadataFetcher(client, cfg.MetadataURL), cfg.ProjectID
	if len(cfg.Credentials) > 0 {
		account, err := parseAccount(cfg.Credentials)
		if err != nil {
			return nil, err
		}
		fetch = accountFetcher(client, account, clock)
		if project == "" {
			project = account.ProjectID
		}
	}
	if project == "" {
		return nil, errors.New("the project's id is missing")
	}
	base := cfg.URL
	if base == "" {
		base = defaultURL
	}
	return &Sender{
		client: client, url: base + "/v1/projects/" + url.PathEscape(project) + "/messages:send",
		access: newAccessTokens(fetch, clock),
	}, nil
}

// Close lets go of idle connections. No Send may be under way.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Send implements push.Sender.
func (s *Sender) Send(ctx context.Context, m push.Message) error {
	token, err := s.access.get(ctx)
	if err != nil {
		return fmt.Errorf("access token: %w", err)
	}
	body, err := json.Marshal(request{Message: formOf(m)})
	if err != nil {
		return fmt.Errorf("encode a push: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("a push: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("call FCM: %w", err)
	}
	defer resp.Body.Close()
	answered, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read FCM's answer: %w", err)
	}
	err = verdict(resp, answered)
	if errors.Is(err, errAccess) {
		s.access.forget(token)
	}
	return err
}
