package config

// Push is who brings pushes to phones.
type Push struct {
	PushProvider       string `env:"PUSH_PROVIDER" envDefault:"log" choices:"log,fcm" doc:"who sends pushes; log writes them to the log"`
	FCMProjectID       string `env:"FCM_PROJECT_ID" doc:"Firebase project; default: the one in the credentials"`
	FCMCredentialsFile string `env:"FCM_CREDENTIALS_FILE" doc:"a service account's JSON key; without one the Google Cloud machine's own account sends"`
	FCMCredentials     Secret `env:"FCM_CREDENTIALS_JSON" doc:"the same, as text"`
	FCMBaseURL         string `env:"FCM_BASE_URL" doc:"another place of FCM, for tests"`
}

func (p *Push) check(report func(name, what string)) {
	if p.FCMCredentialsFile != "" && p.FCMCredentials != "" {
		report("FCM_CREDENTIALS_JSON", "is set, and FCM_CREDENTIALS_FILE, too: one of them")
	}
	if p.FCMBaseURL != "" && !hasScheme(Secret(p.FCMBaseURL), "https", "http") {
		report("FCM_BASE_URL", "must look like https://host")
	}
	if p.PushProvider == "fcm" && p.FCMProjectID == "" && p.FCMCredentialsFile == "" && p.FCMCredentials == "" {
		report("FCM_PROJECT_ID", "is missing: the Firebase project of the apps")
	}
}
