package sandbox

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"strings"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// Path is where the page of a session is: Path and its id. A POST to that and one of /pay, /fail and /expire taps a button.
const Path = "/sandbox/checkout/"

// Page serves the pages. tell is told what was tapped, as a vendor's webhook would tell it; when that fails, the tap has been made
// all the same.
func (s *Sandbox) Page(tell func(ctx context.Context, c payment.Checkout) error, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, button, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Path), "/")
		var c payment.Checkout
		var err error
		to, known := map[string]payment.State{"pay": payment.Completed, "fail": payment.SessionFailed, "expire": payment.SessionExpired}[button]
		switch {
		case button == "" && r.Method == http.MethodGet:
			c, err = s.Look(r.Context(), id)
		case known && r.Method == http.MethodPost:
			c, err = s.tap(r.Context(), id, to, tell, log)
		default:
			err = core.Errorf(core.NotFound, "no such page")
		}
		if err != nil {
			refuse(w, err)
			return
		}
		if r.Method == http.MethodPost {
			http.Redirect(w, r, Path+id, http.StatusSeeOther) // so that a reload taps nothing
			return
		}
		write(w, c, wordsFor(r.Header.Get("Accept-Language")))
	})
}

func (s *Sandbox) tap(ctx context.Context, id string, to payment.State, tell func(context.Context, payment.Checkout) error, log *slog.Logger) (payment.Checkout, error) {
	c, done, err := s.desk.Close(ctx, id, to)
	if err != nil || !done {
		return c, err
	}
	if err := tell(ctx, s.shown(c)); err != nil {
		log.WarnContext(ctx, "sandbox: what was tapped is told later, by the poller", "vendor_session", id, "error", err)
	}
	return c, nil
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	if core.CodeOf(err) == core.NotFound {
		status = http.StatusNotFound
	}
	http.Error(w, http.StatusText(status), status)
}

// words are a language's.
type words struct {
	lang, title, pay, fail, expire, note string
	states                               map[payment.State]string
}

var (
	indonesian = words{
		"id", "Pembayaran uji coba", "Bayar", "Gagalkan", "Kedaluwarsakan", "Halaman ini hanya untuk pengembangan. Tidak ada uang yang berpindah.",
		map[payment.State]string{
			payment.Completed: "Sudah dibayar", payment.SessionFailed: "Pembayaran gagal",
			payment.SessionExpired: "Sudah kedaluwarsa", payment.SessionCanceled: "Dibatalkan",
		},
	}
	english = words{
		"en", "Sandbox payment", "Pay", "Fail", "Expire", "This page is for development only. No money is moved.",
		map[payment.State]string{
			payment.Completed: "Paid", payment.SessionFailed: "The payment failed",
			payment.SessionExpired: "Expired", payment.SessionCanceled: "Cancelled",
		},
	}
)

// wordsFor is Indonesian unless English is asked for first.
func wordsFor(accepted string) words {
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(accepted)), "en") {
		return english
	}
	return indonesian
}

func write(w http.ResponseWriter, c payment.Checkout, say words) {
	var body strings.Builder
	if c.State == payment.Active {
		for _, button := range []struct{ path, label string }{{"pay", say.pay}, {"fail", say.fail}, {"expire", say.expire}} {
			fmt.Fprintf(&body, `<form method="post" action="%s/%s"><button class="%s">%s</button></form>`,
				html.EscapeString(Path+c.ID), button.path, button.path, html.EscapeString(button.label))
		}
	} else {
		fmt.Fprintf(&body, `<p class="state %s">%s</p>`, c.State, html.EscapeString(say.states[c.State]))
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	fmt.Fprintf(w, page, say.lang, html.EscapeString(say.title), html.EscapeString(say.title), rupiah(c.Amount), body.String(), html.EscapeString(say.note))
}

const page = `<!doctype html>
<html lang="%s"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>%s</title>
<style>
body{font:18px system-ui,sans-serif;max-width:22em;margin:10vh auto;padding:0 1em;text-align:center;color:#222}
.amount{font-size:2em;margin:.5em}button{font:inherit;width:100%%;padding:.7em;margin:.3em 0;border:0;border-radius:.4em;background:#ddd}
.pay{background:#176d3b;color:#fff}.state{font-weight:bold}small{color:#666}
</style></head><body><h1>%s</h1><p class="amount">%s</p>%s<p><small>%s</small></p></body></html>
`

// rupiah writes an amount as people do: Rp 25.000.
func rupiah(amount int64) string {
	digits := fmt.Sprint(amount)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "." + digits[i:]
	}
	return "Rp " + digits
}
