package console

import (
	"context"
	"encoding/json"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

func (c *console) configRoutes() []rest.Route {
	const packages = "/internal/packages"
	return []rest.Route{
		rest.On("GET", "/internal/config", rest.Operators, "Every setting with its bounds", c.settings),
		rest.On("PUT", "/internal/config/:key", rest.Admins, "Change a setting; every instance follows within 5 seconds", c.putSetting, core.NotFound),
		rest.On("GET", packages, rest.Operators, "What is and was on sale, newest first", c.packages),
		rest.On("POST", packages, rest.Operators, "Make a package", c.addPackage).Creates(),
		rest.On("PATCH", packages+"/:id", rest.Operators, "Change a package; sessions keep the price that they were asked for at",
			c.changePackage, core.NotFound),
	}
}

// setting is a row of the configuration: a whole number within bounds, or one of some words.
type setting struct {
	Key       string          `json:"key"`
	Value     json.RawMessage `json:"value"`
	Default   json.RawMessage `json:"default"`
	Min       *int            `json:"min,omitempty"`
	Max       *int            `json:"max,omitempty"`
	Choices   []string        `json:"choices,omitempty"`
	Changed   bool            `json:"is_changed" doc:"the value is not the default"`
	UpdatedBy core.OperatorID `json:"updated_by,omitzero"`
	UpdatedAt int64           `json:"updated_at,omitzero"`
}

func settingOf(x admin.Setting) setting {
	s := setting{
		Key: x.Key, Value: x.Value, Default: json.RawMessage(x.DefaultJSON()), Choices: x.Choices, Changed: x.Changed,
		UpdatedBy: x.UpdatedBy, UpdatedAt: millis(x.UpdatedAt),
	}
	if len(x.Choices) == 0 {
		s.Min, s.Max = &x.Min, &x.Max
	}
	return s
}

func (c *console) settings(ctx context.Context, _ *rest.Call, _ rest.None) (list[setting], error) {
	all, err := c.admin.Settings(ctx)
	return listOf(admin.List[admin.Setting]{Items: all}, settingOf), err
}

type settingChange struct {
	Key   string          `path:"key"`
	Value json.RawMessage `json:"value" doc:"a whole number or a word"`
}

func (c *console) putSetting(ctx context.Context, call *rest.Call, in settingChange) (setting, error) {
	s, err := c.admin.PutSetting(ctx, call.Who, in.Key, in.Value)
	if err != nil {
		return setting{}, err
	}
	return settingOf(s), nil
}

// salesPackage is a length of talk that can be bought.
type salesPackage struct {
	ID        core.PackageID `json:"id"`
	Name      string         `json:"name"`
	Minutes   int            `json:"duration_minutes"`
	Price     int64          `json:"price"`
	Active    bool           `json:"is_active"`
	CreatedAt int64          `json:"created_at"`
}

func packageOf(p admin.Package) salesPackage {
	return salesPackage{ID: p.ID, Name: p.Name, Minutes: p.Minutes, Price: p.Price, Active: p.Active, CreatedAt: millis(p.CreatedAt)}
}

func (c *console) packages(ctx context.Context, _ *rest.Call, in paging) (list[salesPackage], error) {
	page, err := c.admin.Packages(ctx, in.page())
	return listOf(page, packageOf), err
}

type newPackage struct {
	Name    string `json:"name" min:"1" max:"100"`
	Minutes int    `json:"duration_minutes" min:"1" max:"1440"`
	Price   int64  `json:"price" min:"0" max:"100000000" doc:"rupiah; 0: free"`
	Active  *bool  `json:"is_active" doc:"on sale; true unless given"`
}

func (c *console) addPackage(ctx context.Context, call *rest.Call, in newPackage) (salesPackage, error) {
	p, err := c.admin.AddPackage(ctx, call.Who, admin.Package{
		Name: in.Name, Minutes: in.Minutes, Price: in.Price, Active: in.Active == nil || *in.Active,
	})
	return packageOf(p), err
}

type packageChange struct {
	ID      core.PackageID `path:"id"`
	Name    *string        `json:"name" min:"1" max:"100"`
	Minutes *int           `json:"duration_minutes" min:"1" max:"1440"`
	Price   *int64         `json:"price" min:"0" max:"100000000"`
	Active  *bool          `json:"is_active"`
}

func (c *console) changePackage(ctx context.Context, call *rest.Call, in packageChange) (salesPackage, error) {
	p, err := c.admin.ChangePackage(ctx, call.Who, in.ID, admin.PackageChange{
		Name: in.Name, Minutes: in.Minutes, Price: in.Price, Active: in.Active,
	})
	return packageOf(p), err
}
