package fazpass

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// code is the vendor's: an HTTP status and four digits. It comes as a string or as a number.
type code string

// UnmarshalJSON implements json.Unmarshaler.
func (c *code) UnmarshalJSON(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) != nil {
		word = string(text) // a number
	}
	if word != "" && (len(word) != 7 || strings.Trim(word, "0123456789") != "") {
		word = "?" // whatever this is, it does not go to our log
	}
	*c = code(word)
	return nil
}

// supplierOut: a third party of theirs is down. Nothing was sent, and it may be up again the next moment.
func (c code) supplierOut() bool { return strings.HasPrefix(string(c), "503") }

// meanings are the documented codes with what they mean for us. Those that concern the vendor's own comparison of codes never come from
// /send; they stand here so that whoever looks one up finds it.
var meanings = map[code]struct {
	ours core.Code
	wait time.Duration
	text string
}{
	"4000201": {core.Unavailable, 0, "gateway key missing"},
	"4000205": {core.Unavailable, 0, "merchant inactive"},
	"4000206": {core.Unavailable, 0, "gateway inactive"},
	"4000207": {core.Unavailable, 0, "no credential"},
	"4010207": {core.Unavailable, 0, "no user identifier"},
	"4010208": {core.RateLimited, time.Minute, "rate limited"},
	"4020201": {core.Unavailable, 0, "the balance is empty"},
	"4030201": {core.CodeMismatch, 0, "wrong code"},
	"4030202": {core.OTPExpired, 0, "code expired"},
	"4030203": {core.OTPUsed, 0, "code used"},
	"4040201": {core.OTPExpired, 0, "no such transaction"},
	"4040202": {core.OTPExpired, 0, "no such request"},
	"4050201": {core.Unavailable, 0, "no provider"},
	"4050202": {core.Unavailable, 0, "no type"},
	"4050203": {core.Unavailable, 0, "no price"},
	"4050204": {core.Unavailable, 0, "no operator"},
	"4220201": {core.Unavailable, 0, "invalid data"},
	"4220202": {core.Unavailable, 0, "code or URL missing"},
	"4220205": {core.BadMessage, 0, "bad phone"},
	"4220206": {core.BadMessage, 0, "bad phone"},
	"4220207": {core.Unavailable, 0, "provider not allowed"},
	"4220208": {core.Unavailable, 0, "bad parameters"},
	"4220209": {core.CodeMismatch, 0, "invalid code"},
	"4220210": {core.BadMessage, 0, "the phone's operator is not served"},
	"4290201": {core.AttemptsExceeded, 24 * time.Hour, "too many failures: the phone is blocked for a day"},
	"4290202": {core.Unavailable, 0, "the trial's quota is used up"},
	"5000200": {core.Unavailable, 0, "server error"},
	"5000202": {core.Unavailable, 0, "server error"},
	"5010201": {core.Unavailable, 0, "codes are not allowed"},
}

// refusal is an answer that says no.
type refusal struct {
	status int
	code   code
}

// Error is for the log.
func (r *refusal) Error() string {
	text := meanings[r.code].text
	switch {
	case r.code.supplierOut():
		text = "their supplier is out"
	case text == "" && (r.status == 401 || r.status == 403):
		text = "the key, or the address that we call from, is not accepted"
	case text == "":
		text = "a code that is not documented"
	}
	return fmt.Sprintf("fazpass: answer %d, code %q: %s", r.status, string(r.code), text)
}

// coded is the refusal as our caller may see it; what is not known is UNAVAILABLE.
func (r *refusal) coded() error {
	meaning, known := meanings[r.code]
	if !known {
		return core.Wrap(core.Unavailable, r)
	}
	err := &core.Error{Code: meaning.ours, RetryAfter: meaning.wait, Err: r}
	switch meaning.ours {
	case core.BadMessage:
		err.Field, err.Message = "phone", "no code can be sent to this phone"
	case core.RateLimited, core.AttemptsExceeded:
		err.Message = "too many codes"
	}
	return err
}
