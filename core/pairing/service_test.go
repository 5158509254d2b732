package pairing

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRequest(t *testing.T) {
	t.Parallel()
	good := Request{
		CustomerID: core.NewID[core.CustomerID](), Key: "k", PackageID: core.NewID[core.PackageID](), Note: "hello",
	}
	for name, c := range map[string]struct {
		change func(*Request)
		field  string
	}{
		"OK":             {func(*Request) {}, ""},
		"longest":        {func(r *Request) { r.Key, r.Note = strings.Repeat("é", MaxKey), strings.Repeat("é", MaxNote) }, ""},
		"ErrNoKey":       {func(r *Request) { r.Key = "" }, "request_key"},
		"ErrKeyTooLong":  {func(r *Request) { r.Key = strings.Repeat("k", MaxKey+1) }, "request_key"},
		"ErrNoteTooLong": {func(r *Request) { r.Note = strings.Repeat("n", MaxNote+1) }, "note"},
		"ErrNoPackage":   {func(r *Request) { r.PackageID = core.PackageID{} }, "package_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			d.available = mitras(MaxConsidered + 10)
			r := good
			c.change(&r)
			_, err := d.service().Request(t.Context(), r)
			if c.field == "" {
				require.NoError(t, err)
				require.Equal(t, d.available[:MaxConsidered], d.passed, "the longest waiting, in their order")
				return
			}
			var coded *core.Error
			require.ErrorAs(t, err, &coded)
			require.Equal(t, c.field, coded.Field)
			require.Empty(t, d.said, "the store is not asked")
		})
	}
}

// Without a look at the mirror a search would start out waiting although mitras are there: the customer retries instead.
func TestRequest_ErrNoCandidatesKnown(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.findErr = core.Wrap(core.Unavailable, errors.New("both stores are out"))
	_, err := d.service().Request(t.Context(), Request{Key: "k", PackageID: core.NewID[core.PackageID]()})
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	require.Empty(t, d.said)
}

func TestDecline_CutsTheReason(t *testing.T) {
	t.Parallel()
	d := newDesk()
	long := strings.Repeat("é", MaxDeclineReason)
	require.NoError(t, d.service().Decline(t.Context(), core.NewID[core.OfferID](), mitras(1)[0], long+"more"))
	require.Equal(t, []string{long}, d.said)
}

func TestDue(t *testing.T) {
	t.Parallel()
	asked := mitras(2)
	maxWaves := core.DefaultSettings().MaxWaves
	for name, c := range map[string]struct {
		search     Search
		err        error
		want       []string
		candidates bool
	}{
		"next wave":                     {Search{Wave: 1, Asked: asked}, nil, []string{"next wave"}, true},
		"waves used up: waiting":        {Search{Wave: maxWaves}, nil, []string{"next wave"}, false},
		"waiting: stays":                {Search{Wave: 1, Waiting: true}, nil, nil, false},
		"over: unmatched":               {Search{Wave: 1, Over: true}, nil, []string{"unmatch"}, false},
		"over while waiting: unmatched": {Search{Waiting: true, Over: true}, nil, []string{"unmatch"}, false},
		"accepted meanwhile":            {Search{}, core.Errorf(core.NotFound, "not searching"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			d.search, d.searchErr = c.search, c.err
			d.available = append(mitras(3), asked...)
			require.NoError(t, d.service().Due(t.Context(), core.NewID[core.SessionID]()))
			require.Equal(t, c.want, d.said)
			if c.candidates {
				require.Equal(t, asked, d.excluded, "nobody is asked twice")
				require.Equal(t, d.available[:3], d.passed)
			} else {
				require.Empty(t, d.passed)
			}
		})
	}
}

func TestDue_ErrUnavailable(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.searchErr = core.Wrap(core.Unavailable, errors.New("connection refused"))
	require.Equal(t, core.Unavailable, core.CodeOf(d.service().Due(t.Context(), core.NewID[core.SessionID]())))
	d.searchErr, d.findErr = nil, core.Wrap(core.Unavailable, errors.New("both stores are out"))
	require.Equal(t, core.Unavailable, core.CodeOf(d.service().Due(t.Context(), core.NewID[core.SessionID]())))
	require.Empty(t, d.said, "a wave without a look at the mirror would be wasted")
}

func TestNext_Properties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		maxWaves := rapid.IntRange(1, 20).Draw(t, "max waves")
		search := Search{
			Wave:    rapid.IntRange(0, 25).Draw(t, "wave"),
			Waiting: rapid.Bool().Draw(t, "waiting"),
			Over:    rapid.Bool().Draw(t, "over"),
		}
		step := search.Next(maxWaves)
		require.Equal(t, search.Over, step == GiveUp, "a search ends exactly when its time is over")
		require.False(t, step == RunWave && search.Wave >= maxWaves, "no wave beyond the last")
		require.False(t, search.Waiting && (step == RunWave || step == Wait), "who waits is not moved by a wave")
	})
}

func TestJudge_ChosenOnlyWithoutAnyReasonAgainst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		maxOpen := rapid.IntRange(1, 5).Draw(t, "max open offers")
		c := Candidate{
			Online:     rapid.Bool().Draw(t, "online"),
			Active:     rapid.Bool().Draw(t, "active"),
			Asked:      rapid.Bool().Draw(t, "asked"),
			Capacity:   rapid.IntRange(0, 3).Draw(t, "capacity"),
			Max:        rapid.IntRange(1, 3).Draw(t, "max"),
			OpenOffers: rapid.IntRange(0, 6).Draw(t, "open offers"),
		}
		may := c.Online && c.Active && !c.Asked && c.Capacity < c.Max && c.OpenOffers < maxOpen
		require.Equal(t, may, c.Judge(maxOpen) == Chosen)
	})
}
