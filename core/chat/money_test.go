package chat

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnused(t *testing.T) {
	t.Parallel()
	everybody := []EndReason{
		ReasonExpired, ReasonCustomer, ReasonMitra, ReasonOperator, ReasonPaymentTimeout, ReasonNoMitra, ReasonAccountDeleted, ReasonDeactivated,
	}
	for _, at := range []Status{Searching, PendingPayment} {
		for _, reason := range everybody {
			require.EqualValues(t, 0, Unused(at, reason, 0, 0, 0), "nothing was put in")
			require.EqualValues(t, 10_000, Unused(at, reason, 10_000, 0, 0), "never paid whole: all of it")
			require.EqualValues(t, 25_000, Unused(at, reason, 25_000, 900, 900), "paid, and never begun")
			require.EqualValues(t, 8_333, Unused(at, reason, 25_000, 300, 900), "rounded down")
			require.EqualValues(t, 27, Unused(at, reason, 25_000, 1, 900))
		}
	}
	for _, reason := range []EndReason{ReasonMitra, ReasonOperator, ReasonDeactivated} {
		require.EqualValues(t, 25_000, Unused(Active, reason, 25_000, 900, 900), "just begun")
		require.EqualValues(t, 16_666, Unused(Active, reason, 50_000, 300, 900), "with the price of an extension")
		require.EqualValues(t, 0, Unused(Active, reason, 0, 300, 900), "a free one")
	}
	for _, reason := range []EndReason{ReasonCustomer, ReasonAccountDeleted} {
		require.EqualValues(t, 0, Unused(Active, reason, 25_000, 300, 900))
	}
	require.EqualValues(t, 0, Unused(Active, ReasonExpired, 25_000, 0, 900))
}
