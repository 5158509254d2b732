// Package telemetry turns the Stats structs of an instance's parts into Prometheus metrics, so that no part knows Prometheus
// and a counter that a part adds needs no word here.
package telemetry

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// levels are the fields of Stats structs that go up and down. All others only grow.
var levels = []string{
	"Connections", "Mitras", "Customers", "Epochless", "InLine", "Pending", "FreedPending", "ConnsInUse", "ConnsOpen",
	"DeniedSessions", "Sockets",
}

// Handler serves the counters of all parts, each read when it is asked for, with those of the Go runtime and the process. sources
// maps a part's name to its func() Stats, which must be safe to call concurrently.
func Handler(sources map[string]any) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for part, stats := range sources {
		registry.MustRegister(newStatsCollector(part, reflect.ValueOf(stats)))
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// statsCollector turns a Stats struct into metrics: the field MessagesOut of part gateway is bestie_gateway_messages_out_total,
// and a map of counters has its keys in a label.
type statsCollector struct {
	read   reflect.Value // func() Stats
	fields []statsField
}

type statsField struct {
	index []int
	desc  *prometheus.Desc
	kind  prometheus.ValueType
}

func newStatsCollector(part string, read reflect.Value) *statsCollector {
	c := &statsCollector{read: read}
	c.add("bestie_"+part+"_", read.Type().Out(0), nil)
	return c
}

// add takes the numbers of a struct; those of a struct within it get its name in front, unless it is embedded.
func (c *statsCollector) add(prefix string, stats reflect.Type, at []int) {
	for i := range stats.NumField() {
		field, index := stats.Field(i), append(slices.Clone(at), i)
		name := prefix + snake(field.Name)
		kind, suffix := prometheus.CounterValue, "_total"
		if slices.Contains(levels, field.Name) {
			kind, suffix = prometheus.GaugeValue, ""
		}
		var labels []string
		switch field.Type.Kind() {
		case reflect.Struct:
			if field.Anonymous {
				c.add(prefix, field.Type, index)
			} else {
				c.add(name+"_", field.Type, index)
			}
			continue
		case reflect.Map:
			labels = []string{"code"}
		case reflect.Uint64:
		default:
			continue
		}
		help := fmt.Sprintf("Field %s of %s.", field.Name, stats)
		c.fields = append(c.fields, statsField{index, prometheus.NewDesc(name+suffix, help, labels, nil), kind})
	}
}

// Describe implements prometheus.Collector.
func (c *statsCollector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range c.fields {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *statsCollector) Collect(out chan<- prometheus.Metric) {
	stats := c.read.Call(nil)[0]
	for _, f := range c.fields {
		value := stats.FieldByIndex(f.index)
		if value.Kind() == reflect.Uint64 {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(value.Uint()))
			continue
		}
		for entry := value.MapRange(); entry.Next(); {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(entry.Value().Uint()), label(entry.Key()))
		}
	}
}

func label(key reflect.Value) string {
	if key.CanUint() {
		return strconv.FormatUint(key.Uint(), 10)
	}
	return key.String()
}

// snake turns MessagesOut into messages_out.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		upper := unicode.IsUpper(r)
		afterLower := i > 0 && !unicode.IsUpper(runes[i-1])
		beforeLower := i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1])
		if upper && (afterLower || beforeLower) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
