package postgres

import (
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
)

// doubts are the mitras of transactions whose COMMIT was sent and not answered. It may have happened, so the mirror has to look; it may
// also happen yet, until the server gives the transaction up (abandonedAfter), so it has to look again after that. Their
// events need no such care: rows that were committed are found by whoever looks for unpublished ones.
type doubts struct {
	mu   sync.Mutex
	list []doubt // the oldest first
}

type doubt struct {
	mitras []core.MitraID
	until  time.Time
}

// commit commits and, when it cannot say whether it did, has the mirror look at once and again later.
func (t *tx) commit(commit func() error) error {
	err := commit()
	if err == nil || len(t.mitras) == 0 || sqlState(err) != "" || errors.Is(err, pgx.ErrTxCommitRollback) {
		return err // the server has said what it did
	}
	t.db.doubts.add(t.mitras)
	t.db.tell(nil, t.mitras)
	return err
}

func (d *doubts) add(mitras []core.MitraID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, doubt{mitras, time.Now().Add(abandonedAfter)})
}

// over takes those that are in doubt no more.
func (d *doubts) over() (mitras []core.MitraID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.list) > 0 && time.Now().After(d.list[0].until) {
		mitras = append(mitras, d.list[0].mitras...)
		d.list = d.list[1:]
	}
	return mitras
}

// settleDoubts has the mirror look at those whose transactions are over by now, one way or the other.
func (db *DB) settleDoubts() {
	if mitras := db.doubts.over(); len(mitras) > 0 {
		db.tell(nil, mitras)
	}
}
