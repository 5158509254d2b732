package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/halobestie/bestie-gateway/bench/picture"
)

// Result is all that was measured of one server.
type Result struct {
	Server  string             `json:"server"`
	Figures []Figure           `json:"figures"`
	Notes   []string           `json:"notes,omitempty"`
	Samples []Sample           `json:"samples"`
	Slices  map[string][]Slice `json:"slices"`
}

// Result is what is known by now; Samples are still added to until Close.
func (b *Bench) Result() Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Result{b.Target.Name, b.Figures, b.Notes, slices.Clone(b.Samples), b.Slices}
}

// Value finds a figure.
func (r Result) Value(key string) (float64, bool) {
	for _, f := range r.Figures {
		if f.Key == key {
			return f.Value, true
		}
	}
	return 0, false
}

// WriteTable writes the figures and notes for people.
func (r Result) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\t\t\n", r.Server)
	for _, f := range r.Figures {
		fmt.Fprintf(table, "  %s\t%.4g\t%s\n", f.Key, f.Value, f.Unit)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(table, "  note: %s\t\t\n", note)
	}
	return table.Flush()
}

// WriteJSON keeps everything.
func WriteJSON(file string, results []Result) error {
	text, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// WritePictures draws memory over time and, for each scenario with answers, their latency over time.
func WritePictures(dir string, results []Result) (files []string, err error) {
	memory := picture.Chart{Title: "Resident memory", XLabel: "seconds", YLabel: "MB, logarithmic", LogY: true}
	latencies := map[string]*picture.Chart{}
	for _, r := range results {
		line := picture.Line{Name: r.Server}
		for i, s := range r.Samples {
			if i%max(len(r.Samples)/400, 1) == 0 {
				line.Points = append(line.Points, picture.Point{X: s.At.Seconds(), Y: float64(s.Resident) / 1e6})
			}
		}
		memory.Lines = append(memory.Lines, line)
		for name, slices := range r.Slices {
			if latencies[name] == nil {
				latencies[name] = &picture.Chart{
					Title: "p99 latency over time: " + name, XLabel: "seconds", YLabel: "ms, logarithmic", LogY: true,
				}
			}
			line := picture.Line{Name: r.Server}
			for _, slice := range slices {
				if slice.Latency.Count() > 0 {
					line.Points = append(line.Points, picture.Point{X: slice.At.Seconds(), Y: milliseconds(slice.Latency.Quantile(0.99))})
				}
			}
			latencies[name].Lines = append(latencies[name].Lines, line)
		}
	}
	draw := func(name string, chart picture.Chart) error {
		file, err := os.Create(filepath.Join(dir, name+".svg"))
		if err != nil {
			return err
		}
		files = append(files, file.Name())
		return errors.Join(chart.WriteSVG(file), file.Close())
	}
	errs := []error{draw("memory", memory)}
	for _, s := range scenarios() {
		if chart := latencies[s.name]; chart != nil {
			errs = append(errs, draw("latency-"+s.name, *chart))
		}
	}
	return files, errors.Join(errs...)
}
