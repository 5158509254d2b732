package config

import (
	"net/url"
)

// Payment is how customers pay.
type Payment struct {
	PaymentProvider     string   `env:"PAYMENT_PROVIDER" envDefault:"sandbox" choices:"sandbox,xendit" doc:"who takes payments; sandbox is a page on which one taps Pay"`
	XenditSecretKey     Secret   `env:"XENDIT_SECRET_KEY" doc:"of the account; whether money is real is decided by it"`
	XenditCallbackToken Secret   `env:"XENDIT_CALLBACK_TOKEN" doc:"what webhooks carry in x-callback-token"`
	XenditBaseURL       string   `env:"XENDIT_BASE_URL" envDefault:"https://api.xendit.co" doc:"Xendit's API, or a server of your own for tests"`
	XenditChannels      []string `env:"XENDIT_CHANNELS" doc:"payment channels that are offered (QRIS,DANA), by commas; all of the account's unless set"`
	XenditSuccessURL    string   `env:"XENDIT_SUCCESS_URL" doc:"where the browser goes when it was paid, https://…"`
	XenditCancelURL     string   `env:"XENDIT_CANCEL_URL" doc:"where the browser goes when it was not, https://…"`
}

func (p *Payment) check(report func(name, what string)) {
	if p.PaymentProvider != "xendit" {
		return
	}
	for name, secret := range map[string]Secret{"XENDIT_SECRET_KEY": p.XenditSecretKey, "XENDIT_CALLBACK_TOKEN": p.XenditCallbackToken} {
		if secret == "" {
			report(name, "is missing, and PAYMENT_PROVIDER is xendit")
		}
	}
	if u, err := url.Parse(p.XenditBaseURL); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		report("XENDIT_BASE_URL", "must look like https://api.xendit.co")
	}
	for name, address := range map[string]string{"XENDIT_SUCCESS_URL": p.XenditSuccessURL, "XENDIT_CANCEL_URL": p.XenditCancelURL} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
			report(name, "must begin with https://")
		}
	}
}
