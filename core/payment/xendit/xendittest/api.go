package xendittest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// refused is an answer that is not a success.
type refused struct {
	status  int
	code    string
	message string
}

// answer puts a handler behind the account's key and the present fault. Handlers hold the lock.
func (s *Server) answer(handle func(r *http.Request) (int, any, *refused)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls[r.Pattern]++
		fault := s.fault
		if s.times == 0 {
			fault = None
		} else if s.times > 0 {
			s.times--
		}
		if user, password, _ := r.BasicAuth(); user != Key || password != "" {
			fault = BadKey
		}
		switch fault {
		case ServerError:
			refuse(w, refused{http.StatusInternalServerError, "SERVER_ERROR", "try later"})
		case TooMany:
			w.Header().Set("Rate-Limit-Limit", "60")
			w.Header().Set("Rate-Limit-Remaining", "0")
			w.Header().Set("Rate-Limit-Reset", "2.5")
			refuse(w, refused{http.StatusTooManyRequests, "RATE_LIMIT_EXCEEDED", "too many"})
		case BadKey:
			refuse(w, refused{http.StatusUnauthorized, "INVALID_API_KEY", "no such key"})
		case Invalid:
			refuse(w, refused{http.StatusBadRequest, "API_VALIDATION_ERROR", "amount is wrong"})
		case Down:
			hangUp(w)
		case Forgets:
			handle(r)
			hangUp(w)
		case Garbage:
			status, _, _ := handle(r)
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html>not what you asked for</html>"))
		default:
			status, out, no := handle(r)
			if no != nil {
				refuse(w, *no)
				return
			}
			write(w, status, out)
		}
	}
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

func refuse(w http.ResponseWriter, no refused) {
	write(w, no.status, map[string]string{"error_code": no.code, "message": no.message})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Server) open(r *http.Request) (int, any, *refused) {
	var order Session
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		return 0, nil, &refused{http.StatusBadRequest, "API_VALIDATION_ERROR", err.Error()}
	}
	now := time.Now()
	switch {
	case order.Reference == "" || len(order.Reference) > 64 || order.Type != "PAY" || order.Mode != "PAYMENT_LINK" || order.Country != "ID" || order.Currency != "IDR":
		return 0, nil, &refused{http.StatusBadRequest, "API_VALIDATION_ERROR", "a field is missing"}
	case order.Amount < 1:
		return 0, nil, &refused{http.StatusBadRequest, "INVALID_AMOUNT", "too little"}
	case order.ExpiresAt.Before(now.Add(10 * time.Minute)):
		return 0, nil, &refused{http.StatusBadRequest, "INVALID_EXPIRY_DATE", "at least 10 minutes ahead"}
	}
	s.numbers++
	order.ID = fmt.Sprintf("ps-%024x", s.numbers)
	order.Status, order.URL, order.Created, order.BusinessID = "ACTIVE", "https://dev.xen.to/"+order.ID, now.UTC(), "b-1"
	s.sessions = append(s.sessions, &order)
	return http.StatusCreated, order, nil
}

func (s *Server) session(r *http.Request) (*Session, *refused) {
	one := s.find(r.PathValue("id"))
	if one == nil {
		return nil, &refused{http.StatusNotFound, "DATA_NOT_FOUND", "no such session"}
	}
	return one, nil
}

func (s *Server) look(r *http.Request) (int, any, *refused) {
	one, no := s.session(r)
	return http.StatusOK, one, no
}

func (s *Server) cancel(r *http.Request) (int, any, *refused) {
	one, no := s.session(r)
	switch {
	case no != nil:
		return 0, nil, no
	case one.Status != "ACTIVE":
		return 0, nil, &refused{http.StatusBadRequest, "API_VALIDATION_ERROR", "the session is " + strings.ToLower(one.Status)}
	}
	one.Status = "CANCELED"
	return http.StatusOK, one, nil
}

func (s *Server) refund(r *http.Request) (int, any, *refused) {
	var order Refund
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		return 0, nil, &refused{http.StatusBadRequest, "API_VALIDATION_ERROR", err.Error()}
	}
	if s.refusal != "" {
		return 0, nil, &refused{http.StatusForbidden, s.refusal, "not for this channel"}
	}
	if i := slices.IndexFunc(s.refunds, func(one *Refund) bool { return one.Reference == order.Reference }); i >= 0 {
		return http.StatusOK, s.refunds[i], nil // the same idempotency key
	}
	paid := slices.ContainsFunc(s.sessions, func(one *Session) bool { return one.Request != nil && *one.Request == order.Request })
	if !paid {
		return 0, nil, &refused{http.StatusBadRequest, "INELIGIBLE_TRANSACTION_STATUS", "nothing was paid"}
	}
	s.numbers++
	order.ID, order.Status = fmt.Sprintf("rfd-%020d", s.numbers), "SUCCEEDED"
	if s.pending {
		order.Status = "PENDING"
	}
	s.refunds = append(s.refunds, &order)
	return http.StatusOK, order, nil
}

func (s *Server) lookRefund(r *http.Request) (int, any, *refused) {
	i := slices.IndexFunc(s.refunds, func(one *Refund) bool { return one.ID == r.PathValue("id") })
	if i < 0 {
		return 0, nil, &refused{http.StatusNotFound, "DATA_NOT_FOUND", "no such refund"}
	}
	return http.StatusOK, s.refunds[i], nil
}
