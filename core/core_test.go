package core_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, core.Code(""), core.CodeOf(nil))
	require.Equal(t, core.Internal, core.CodeOf(errors.New("a driver's error")))
	require.Equal(t, core.NotFound, core.CodeOf(fmt.Errorf("reading: %w", core.Errorf(core.NotFound, "no such session"))))
	cause := errors.New("connection refused")
	wrapped := core.Wrap(core.Unavailable, cause)
	require.Equal(t, core.Unavailable, core.CodeOf(wrapped))
	require.ErrorIs(t, wrapped, cause)
	require.Empty(t, wrapped.Message, "a driver's text is never shown")
	require.Equal(t, "UNAVAILABLE: connection refused", wrapped.Error())
	require.Equal(t, "BAD_MESSAGE note: must be at most 500 characters", core.FieldError("note", "must be at most %d characters", 500).Error())
}

func TestEvent_IsOneUsersAndTravelsAsJSON(t *testing.T) {
	t.Parallel()
	to := core.NewID[core.UserID]()
	event, err := core.NewEvent(core.OfferMade, to, map[string]int{"minutes": 5})
	require.NoError(t, err)
	require.Equal(t, core.EventVersion, event.Version)
	encoded, err := json.Marshal(event)
	require.NoError(t, err)
	var read core.Event
	require.NoError(t, json.Unmarshal(encoded, &read))
	require.Equal(t, event, read)
	_, err = core.NewEvent(core.OfferMade, to, make(chan int))
	require.Error(t, err)
}

// Every instance and every version must find a user's channel in the same place: the numbers may never change.
func TestChannel(t *testing.T) {
	t.Parallel()
	require.Equal(t, 27, core.Channel(core.MustParseID[core.UserID]("01a2034f-23fc-7d7b-9028-4b0a5ec0cd76")))
	used := map[int]bool{}
	for range 2000 {
		channel := core.Channel(core.NewID[core.UserID]())
		require.GreaterOrEqual(t, channel, 0)
		require.Less(t, channel, core.EventChannels)
		used[channel] = true
	}
	require.Len(t, used, core.EventChannels, "users spread over all of them")
}

func TestSettings_DefaultsAreWithinTheirBounds(t *testing.T) {
	t.Parallel()
	settings := core.DefaultSettings()
	for _, row := range core.SettingsTable {
		if row.Choices != nil {
			require.NoError(t, settings.SetAnonymity(row.Choice))
			continue
		}
		require.NoError(t, settings.SetNumber(row.Key, row.Default), row.Key)
	}
	require.Equal(t, core.DefaultSettings(), settings)
	require.Equal(t, 15*time.Second, settings.WaveDuration)
	require.Equal(t, 1, settings.MitraMaxCapacity)
	require.Equal(t, core.Alias, settings.CustomerAnonymity)
}

func TestSettings_BoundsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SampledFrom(core.SettingsTable).Filter(func(s core.Setting) bool { return s.Choices == nil }).Draw(t, "row")
		value := rapid.IntRange(row.Min-10, row.Max+10).Draw(t, "value")
		settings := core.DefaultSettings()
		err := settings.SetNumber(row.Key, value)
		within := value >= row.Min && value <= row.Max
		require.Equal(t, within, err == nil)
		if !within {
			require.Equal(t, core.BadMessage, core.CodeOf(err))
			require.Equal(t, core.DefaultSettings(), settings, "a refused value changes nothing")
		}
	})
}

func TestSettings_ErrUnknown(t *testing.T) {
	t.Parallel()
	settings := core.DefaultSettings()
	require.Equal(t, core.BadMessage, core.CodeOf(settings.SetNumber("mitra_max_capacities", 1)))
	require.Equal(t, core.BadMessage, core.CodeOf(settings.SetNumber(core.AnonymityKey, 1)))
	require.Equal(t, core.BadMessage, core.CodeOf(settings.SetAnonymity("everything")))
	require.NoError(t, settings.SetAnonymity("name"))
	require.Equal(t, core.RealName, settings.CustomerAnonymity)
}

func TestFirstChars(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		n := rapid.IntRange(0, 40).Draw(t, "n")
		cut := core.FirstChars(text, n)
		require.True(t, strings.HasPrefix(text, cut))
		require.Equal(t, min(n, utf8.RuneCountInString(text)), utf8.RuneCountInString(cut))
	})
}

func TestOutage_SaysItTwice(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	outage := core.Outage{Log: slog.New(slog.NewTextHandler(&log, nil)), What: "the sweep"}
	refused := errors.New("refused")
	require.NoError(t, outage.Note(t.Context(), nil))
	for range 100 {
		require.ErrorIs(t, outage.Note(t.Context(), refused), refused)
	}
	require.NoError(t, outage.Note(t.Context(), nil))
	require.NoError(t, outage.Note(t.Context(), nil))
	ended, end := context.WithCancel(t.Context())
	end()
	require.Error(t, outage.Note(ended, fmt.Errorf("sweeping: %w", context.Canceled)), "the end of the work is no outage")
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "the sweep fails")
	require.Contains(t, lines[1], "failed_rounds=100")
}
