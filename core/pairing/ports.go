package pairing

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// Request is a customer's wish to talk.
type Request struct {
	CustomerID core.CustomerID
	Key        string // the client's idempotency key, 1 to 64 characters
	PackageID  core.PackageID
	Note       string // at most 500 characters
}

// Searches owns the transactions of a session while it is searching.
type Searches interface {
	// Request creates a searching session and runs its first wave over the candidates (in that order) in one
	// transaction. A replay of the key gives the session's current state. SESSION_LIVE as a chat.StateError,
	// KEY_REUSED, PACKAGE_UNAVAILABLE. With no candidate eligible the session starts out waiting.
	Request(ctx context.Context, r Request, candidates []core.MitraID) (chat.Session, error)
	// Cancel ends a searching or pending_payment session for its customer and withdraws its open offers.
	Cancel(ctx context.Context, id core.SessionID, by core.CustomerID) (chat.Session, error)
	// Search reads what the next step needs. NOT_FOUND when it is not searching any more.
	Search(ctx context.Context, id core.SessionID) (Search, error)
	// NextWave expires what is left of wave number after and runs the next one over the candidates, or turns to
	// waiting when the waves are used up or nobody was eligible. Guarded by the number: another instance's wave makes
	// it do nothing.
	NextWave(ctx context.Context, id core.SessionID, after int, candidates []core.MitraID) error
	// Unmatch ends a search whose search deadline has passed: unmatched, reason no_mitra.
	Unmatch(ctx context.Context, id core.SessionID) error
}

// Search is a searching session as the waves see it.
type Search struct {
	ID      core.SessionID
	Wave    int            // the number of the wave that ran last; 0: none yet
	Before  int            // of those waves, how many ran before the last reroute
	Waiting bool           // waves used up or nobody left to ask
	Over    bool           // the search deadline has passed, by Postgres's clock
	Asked   []core.MitraID // who was offered it since the last reroute, declined it before that, or had it
}

// Offers owns the transactions of an offer. Errors: NOT_FOUND (also for somebody else's), OFFER_TAKEN, OFFER_EXPIRED,
// OFFER_CANCELLED, AT_CAPACITY, NOT_ONLINE, ACCOUNT_INACTIVE, UNAVAILABLE.
type Offers interface {
	// Open reads a mitra's open, unexpired offers, oldest first. Concurrent calls are gathered into one statement.
	Open(ctx context.Context, mitra core.MitraID) ([]Offer, error)
	// Received records the app's receipt. Late and repeated ones, and those for somebody else's offer, do nothing.
	Received(ctx context.Context, id core.OfferID, mitra core.MitraID) error
	// Accept makes the mitra the session's, unless somebody was first; epoch is the connection epoch of the socket
	// that asks; NOT_ONLINE when it is not the current one. The winner who repeats it gets the session again. When the
	// mitra reaches its capacity by it, its other open offers are withdrawn, and waves that lose their last one end.
	Accept(ctx context.Context, id core.OfferID, mitra core.MitraID, epoch int64) (chat.Session, error)
	// Decline closes the offer for this mitra. When the last open offer of a wave goes, the wave ends at once
	// (its deadline becomes now). An offer that is closed already, repetitions included, is left as it is.
	Decline(ctx context.Context, id core.OfferID, mitra core.MitraID, reason string) error
	// ExpireOffers closes offers past expires_at, at most limit of them: expired if delivered, else undelivered. Mitras who let
	// too many delivered ones in a row expire go offline, reason ignored_offers.
	ExpireOffers(ctx context.Context, limit int) (n int, err error)
}

// Queue serves searches that wait for a mitra to become free.
type Queue interface {
	// OfferOldest offers a free mitra the oldest waiting search (by the session's creation) that was not yet offered to it
	// and has fewer than wave_size open offers. false: there was none, or the mitra may not be asked now.
	OfferOldest(ctx context.Context, mitra core.MitraID) (bool, error)
	// Waiting lists the waiting searches, oldest first: their order is their position in the queue.
	Waiting(ctx context.Context) ([]Waiting, error)
}

// Waiting is a search in the queue.
type Waiting struct {
	SessionID  core.SessionID
	CustomerID core.CustomerID
	CreatedAt  time.Time
}

// Candidates finds mitras who can be asked (core/presence).
type Candidates interface {
	// FindAvailable names up to k available mitras, the longest waiting first, without those excluded.
	FindAvailable(ctx context.Context, k int, exclude []core.MitraID) ([]core.MitraID, error)
}

// Line reaches the customers whose sockets are on this instance (the gateway). Its methods must not block.
type Line interface {
	// Position tells a customer where its search stands in the queue, from 1.
	Position(customer core.CustomerID, session core.SessionID, position int, at time.Time)
	// Listening tells whether any customer is connected here.
	Listening() bool
}
