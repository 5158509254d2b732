package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Anonymity says what a mitra sees of a customer's name.
type Anonymity string

// The three choices of customer_anonymity.
const (
	Anonymous Anonymity = "anonymous" // everybody is "Bestie"
	Alias     Anonymity = "alias"     // a stable made-up name for each customer
	RealName  Anonymity = "name"      // the display name
)

// Settings is what operators tune at run time: the rows of app_config, typed. Every instance holds a copy that is at
// most 5 s old; code takes the copy it needs at the start of a use case and keeps to it.
type Settings struct {
	OTPTTL             time.Duration
	OTPMaxAttempts     int
	OTPResend          time.Duration
	OTPPerPhoneHour    int
	OTPPerIPHour       int
	OTPGlobalHour      int
	CCMaxFailedLogins  int
	CCLockout          time.Duration
	MitraMaxCapacity   int
	WaveSize           int
	WaveDuration       time.Duration
	MaxWaves           int
	SearchDuration     time.Duration
	MaxOpenOffers      int
	IgnoredOffersLimit int // delivered offers in a row that expire before a mitra is set offline; 0: never
	PaymentTimeout     time.Duration
	RerouteAfter       time.Duration
	CustomerAnonymity  Anonymity
}

// Setting describes one row of app_config.
type Setting struct {
	Key      string
	Default  int      // unless Choices is set
	Min, Max int      // inclusive, unless Choices is set
	Choices  []string // the first is not the default: DefaultChoice is
	Choice   string   // the default of a Choices setting

	set func(*Settings, int)
}

// DefaultJSON is the default as app_config holds it.
func (s Setting) DefaultJSON() string {
	if s.set == nil {
		return strconv.Quote(s.Choice)
	}
	return strconv.Itoa(s.Default)
}

func seconds(field func(*Settings) *time.Duration) func(*Settings, int) {
	return func(s *Settings, v int) { *field(s) = time.Duration(v) * time.Second }
}

func count(field func(*Settings) *int) func(*Settings, int) {
	return func(s *Settings, v int) { *field(s) = v }
}

// AnonymityKey is the one setting that is a word and not a number.
const AnonymityKey = "customer_anonymity"

// SettingsTable lists every row of app_config with its bounds and default, in the order operators see it.
var SettingsTable = []Setting{
	{Key: "otp_ttl_seconds", Default: 300, Min: 60, Max: 600, set: seconds(func(s *Settings) *time.Duration { return &s.OTPTTL })},
	{Key: "otp_max_attempts", Default: 5, Min: 3, Max: 10, set: count(func(s *Settings) *int { return &s.OTPMaxAttempts })},
	{Key: "otp_resend_seconds", Default: 60, Min: 30, Max: 600, set: seconds(func(s *Settings) *time.Duration { return &s.OTPResend })},
	{Key: "otp_per_phone_hour", Default: 3, Min: 1, Max: 20, set: count(func(s *Settings) *int { return &s.OTPPerPhoneHour })},
	{Key: "otp_per_ip_hour", Default: 10, Min: 1, Max: 1000, set: count(func(s *Settings) *int { return &s.OTPPerIPHour })},
	{Key: "otp_global_hour", Default: 1000, Min: 1, Max: 100000, set: count(func(s *Settings) *int { return &s.OTPGlobalHour })},
	{Key: "cc_max_failed_logins", Default: 5, Min: 3, Max: 20, set: count(func(s *Settings) *int { return &s.CCMaxFailedLogins })},
	{Key: "cc_lockout_seconds", Default: 900, Min: 60, Max: 86400, set: seconds(func(s *Settings) *time.Duration { return &s.CCLockout })},
	{Key: "mitra_max_capacity", Default: 1, Min: 1, Max: 10, set: count(func(s *Settings) *int { return &s.MitraMaxCapacity })},
	{Key: "pairing_wave_size", Default: 5, Min: 1, Max: 50, set: count(func(s *Settings) *int { return &s.WaveSize })},
	{Key: "pairing_wave_seconds", Default: 15, Min: 5, Max: 60, set: seconds(func(s *Settings) *time.Duration { return &s.WaveDuration })},
	{Key: "pairing_max_waves", Default: 4, Min: 1, Max: 20, set: count(func(s *Settings) *int { return &s.MaxWaves })},
	{Key: "pairing_search_seconds", Default: 120, Min: 15, Max: 900, set: seconds(func(s *Settings) *time.Duration { return &s.SearchDuration })},
	{Key: "pairing_max_open_offers", Default: 2, Min: 1, Max: 5, set: count(func(s *Settings) *int { return &s.MaxOpenOffers })},
	{Key: "pairing_ignored_offers_before_offline", Default: 3, Min: 0, Max: 20, set: count(func(s *Settings) *int { return &s.IgnoredOffersLimit })},
	{Key: "payment_timeout_seconds", Default: 300, Min: 60, Max: 3600, set: seconds(func(s *Settings) *time.Duration { return &s.PaymentTimeout })},
	{Key: "reroute_after_seconds", Default: 120, Min: 30, Max: 900, set: seconds(func(s *Settings) *time.Duration { return &s.RerouteAfter })},
	{Key: AnonymityKey, Choices: []string{string(Anonymous), string(Alias), string(RealName)}, Choice: string(Alias)},
}

// DefaultSettings is app_config with no row changed.
func DefaultSettings() Settings {
	var s Settings
	for _, setting := range SettingsTable {
		if setting.set != nil {
			setting.set(&s, setting.Default)
		} else {
			s.CustomerAnonymity = Anonymity(setting.Choice)
		}
	}
	return s
}

// Set changes a setting to a value as app_config holds it, in JSON. BAD_MESSAGE names the key.
func (s *Settings) Set(key string, value []byte) error {
	if key == AnonymityKey {
		var word string
		if err := json.Unmarshal(value, &word); err != nil {
			return FieldError(key, "must be a word")
		}
		return s.SetAnonymity(word)
	}
	var number *int
	if err := json.Unmarshal(value, &number); err != nil || number == nil {
		return FieldError(key, "must be a whole number")
	}
	return s.SetNumber(key, *number)
}

// Check tells whether a value may stand in the row. BAD_MESSAGE names the key.
func (s Setting) Check(value []byte) error {
	scratch := DefaultSettings()
	return scratch.Set(s.Key, value)
}

// SetNumber changes a numeric setting. BAD_MESSAGE names the key when it is unknown or the value is out of bounds.
func (s *Settings) SetNumber(key string, value int) error {
	for _, setting := range SettingsTable {
		if setting.Key != key || setting.set == nil {
			continue
		}
		if value < setting.Min || value > setting.Max {
			return FieldError(key, "must be from %d to %d", setting.Min, setting.Max)
		}
		setting.set(s, value)
		return nil
	}
	return FieldError(key, "no such numeric setting")
}

// SetAnonymity changes customer_anonymity. BAD_MESSAGE when value is none of its choices.
func (s *Settings) SetAnonymity(value string) error {
	for _, setting := range SettingsTable {
		if setting.Key == AnonymityKey && slices.Contains(setting.Choices, value) {
			s.CustomerAnonymity = Anonymity(value)
			return nil
		}
	}
	return FieldError(AnonymityKey, "%s", fmt.Sprintf("must be %s, %s or %s", Anonymous, Alias, RealName))
}
