package admin

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Setting is a row of the configuration with its bounds.
type Setting struct {
	core.Setting
	Value     json.RawMessage // a whole number or a word
	Changed   bool            // an operator's; else the default holds
	UpdatedBy core.OperatorID
	UpdatedAt time.Time
}

// Package is a length of talk that can be bought.
type Package struct {
	ID        core.PackageID
	Name      string
	Minutes   int
	Price     int64 // rupiah; 0: free
	Active    bool  // on sale
	CreatedAt time.Time
}

// PackageChange changes what is not nil.
type PackageChange struct {
	Name    *string
	Minutes *int
	Price   *int64
	Active  *bool
}

// Settings lists every row of the configuration in the order of core.SettingsTable. UNAVAILABLE.
func (s *Service) Settings(ctx context.Context) ([]Setting, error) {
	stored, err := s.stores.Config.Settings(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Setting, 0, len(core.SettingsTable))
	for _, setting := range core.SettingsTable {
		row := Setting{Setting: setting, Value: json.RawMessage(setting.DefaultJSON())}
		i := slices.IndexFunc(stored, func(x StoredSetting) bool { return x.Key == setting.Key })
		// What does not fit is ignored by every instance, so it is not shown as if it held.
		if i >= 0 && setting.Check(stored[i].Value) == nil {
			row.Value, row.Changed = stored[i].Value, string(stored[i].Value) != setting.DefaultJSON()
			row.UpdatedBy, row.UpdatedAt = stored[i].UpdatedBy, stored[i].UpdatedAt
		}
		all = append(all, row)
	}
	return all, nil
}

// PutSetting changes a row of the configuration; every instance follows within seconds. NOT_FOUND for a key that there is not,
// BAD_MESSAGE of value, UNAVAILABLE.
func (s *Service) PutSetting(ctx context.Context, by core.Principal, key string, value json.RawMessage) (Setting, error) {
	i := slices.IndexFunc(core.SettingsTable, func(x core.Setting) bool { return x.Key == key })
	if i < 0 {
		return Setting{}, core.Errorf(core.NotFound, "no such setting: the list of settings has their keys")
	}
	if err := core.SettingsTable[i].Check(value); err != nil {
		return Setting{}, core.FieldError("value", "%s", core.MessageOf(err))
	}
	stored, err := s.stores.Config.PutSetting(ctx, by.Operator(), key, value)
	return Setting{
		Setting: core.SettingsTable[i], Value: stored.Value, Changed: string(stored.Value) != core.SettingsTable[i].DefaultJSON(),
		UpdatedBy: stored.UpdatedBy, UpdatedAt: stored.UpdatedAt,
	}, err
}

// Packages lists what is and was on sale, newest first. BAD_MESSAGE of the page, UNAVAILABLE.
func (s *Service) Packages(ctx context.Context, page Page) (List[Package], error) {
	return list(ctx, page, Newest, s.stores.Catalogue.Packages, func(p Package) Key { return Key{At: p.CreatedAt, ID: p.ID} })
}

// AddPackage puts a package on sale, or keeps it ready when it is not active. BAD_MESSAGE of a field, UNAVAILABLE.
func (s *Service) AddPackage(ctx context.Context, by core.Principal, p Package) (Package, error) {
	if err := packageFits(&p.Name, &p.Minutes, &p.Price); err != nil {
		return Package{}, err
	}
	return s.stores.Catalogue.AddPackage(ctx, by.Operator(), p)
}

// ChangePackage changes a package. Sessions keep the price that they were asked for at. BAD_MESSAGE of a field, NOT_FOUND,
// UNAVAILABLE.
func (s *Service) ChangePackage(ctx context.Context, by core.Principal, id core.PackageID, change PackageChange) (Package, error) {
	if err := packageFits(change.Name, change.Minutes, change.Price); err != nil {
		return Package{}, err
	}
	return s.stores.Catalogue.ChangePackage(ctx, by.Operator(), id, change)
}

const (
	maxMinutes = 24 * 60
	maxPrice   = 100_000_000 // rupiah: more is a slip of the finger
)

func packageFits(name *string, minutes *int, price *int64) error {
	switch {
	case name != nil && (strings.TrimSpace(*name) == "" || len([]rune(*name)) > maxName):
		return core.FieldError("name", "must have 1 to %d characters", maxName)
	case minutes != nil && (*minutes < 1 || *minutes > maxMinutes):
		return core.FieldError("duration_minutes", "must be from 1 to %d", maxMinutes)
	case price != nil && (*price < 0 || *price > maxPrice):
		return core.FieldError("price", "must be from 0 to %d", maxPrice)
	}
	return nil
}
