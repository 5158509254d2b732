// Package xendittest is a local server that speaks what Xendit documents of Payment Sessions and refunds, for tests. It can be made to
// fail in the ways that a vendor does, and delivers webhooks.
//
//	server := xendittest.New(t)
//	client := xendit.New(xendit.Config{BaseURL: server.URL, SecretKey: xendittest.Key, CallbackToken: xendittest.Token}, core.SystemClock)
//	…
//	server.Pay(server.Sessions(reference)[0].ID)
package xendittest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The account.
const (
	Key   = "xnd_development_test"
	Token = "callback-token-of-the-account"
)

// Session is a payment session as the API shows it.
type Session struct {
	ID          string    `json:"payment_session_id"`
	Reference   string    `json:"reference_id"`
	Status      string    `json:"status"`
	Amount      int64     `json:"amount"`
	Currency    string    `json:"currency"`
	Country     string    `json:"country"`
	Type        string    `json:"session_type"`
	Mode        string    `json:"mode"`
	URL         string    `json:"payment_link_url"`
	ExpiresAt   time.Time `json:"expires_at"`
	Created     time.Time `json:"created"`
	Request     *string   `json:"payment_request_id"`
	Payment     *string   `json:"payment_id"`
	BusinessID  string    `json:"business_id"`
	Locale      string    `json:"locale"`
	Description string    `json:"description"`
}

// Refund is a refund as the API shows it.
type Refund struct {
	ID        string  `json:"id"`
	Request   string  `json:"payment_request_id"`
	Reference string  `json:"reference_id"`
	Amount    int64   `json:"amount"`
	Status    string  `json:"status"`
	Failure   *string `json:"failure_code"`
}

// Fault is a way to fail.
type Fault string

// The faults. All but Forgets and Garbage leave undone what was asked.
const (
	None        Fault = ""
	ServerError Fault = "500"
	TooMany     Fault = "429" // with Rate-Limit-Reset
	Down        Fault = "down"
	Forgets     Fault = "acts, and the answer is lost"
	Garbage     Fault = "acts, and answers what nobody documents"
	BadKey      Fault = "401"
	Invalid     Fault = "400"
)

// Server is the vendor. It may be used concurrently.
type Server struct {
	URL string

	mu       sync.Mutex
	sessions []*Session
	refunds  []*Refund
	fault    Fault
	times    int // the fault holds for so many calls; below zero: until it is mended
	calls    map[string]int
	numbers  int
	pending  bool // refunds are PENDING at first
	refusal  string
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{calls: map[string]int{}}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /sessions", s.answer(s.open))
	routes.HandleFunc("GET /sessions/{id}", s.answer(s.look))
	routes.HandleFunc("POST /sessions/{id}/cancel", s.answer(s.cancel))
	routes.HandleFunc("POST /refunds", s.answer(s.refund))
	routes.HandleFunc("GET /refunds/{id}", s.answer(s.lookRefund))
	server := httptest.NewServer(routes)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Break makes the next calls fail, all of them when times is below zero.
func (s *Server) Break(f Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.times = f, times
}

// Mend ends a fault.
func (s *Server) Mend() { s.Break(None, 0) }

// Refunds says how refunds go: pending at first, or refused with a code.
func (s *Server) Refunds(pending bool, refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending, s.refusal = pending, refusal
}

// Calls counts those of a kind, such as "POST /sessions".
func (s *Server) Calls(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[kind]
}

// Sessions lists the sessions of a reference, oldest first; all of them for "".
func (s *Server) Sessions(reference string) (list []Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		if reference == "" || one.Reference == reference {
			list = append(list, *one)
		}
	}
	return list
}

// Pay completes a session, as a customer does.
func (s *Server) Pay(id string) { s.set(id, "COMPLETED") }

// Expire ends a session.
func (s *Server) Expire(id string) { s.set(id, "EXPIRED") }

func (s *Server) set(id, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.find(id)
	if one == nil || one.Status != "ACTIVE" {
		panic(fmt.Sprintf("xendittest: session %q cannot become %s", id, status))
	}
	one.Status = status
	if status == "COMPLETED" {
		s.numbers++
		request, payment := fmt.Sprintf("pr-%020d", s.numbers), fmt.Sprintf("py-%020d", s.numbers)
		one.Request, one.Payment = &request, &payment
	}
}

// FinishRefunds decides all that are pending; failure "" is a success.
func (s *Server) FinishRefunds(failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refunds {
		switch {
		case r.Status != "PENDING":
		case failure == "":
			r.Status = "SUCCEEDED"
		default:
			r.Status, r.Failure = "FAILED", &failure
		}
	}
}

// Webhook is the body that tells how a session stands.
func (s *Server) Webhook(id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.find(id)
	return body("payment_session."+strings.ToLower(one.Status), *one)
}

// Event is the body of an event with any data.
func Event(event string, data any) []byte { return body(event, data) }

func body(event string, data any) []byte {
	text, err := json.Marshal(map[string]any{"event": event, "business_id": "b-1", "created": time.Now().UTC(), "data": data})
	if err != nil {
		panic(err)
	}
	return text
}

// Deliver posts a webhook's body to a gateway and gives the status of its answer; 0 when there is none.
func Deliver(gateway, token string, body []byte) int {
	request, err := http.NewRequest(http.MethodPost, gateway+"/api/shared/payments/xendit/webhook", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	request.Close = true // nothing stays open for a leak check to find
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Callback-Token", token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

func (s *Server) find(id string) *Session {
	if i := slices.IndexFunc(s.sessions, func(one *Session) bool { return one.ID == id }); i >= 0 {
		return s.sessions[i]
	}
	return nil
}
