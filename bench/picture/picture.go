// Package picture draws curves over time as SVG, for reports: no more than axes, lines and a legend.
package picture

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Point is one value of a line.
type Point struct{ X, Y float64 }

// Line is one curve.
type Line struct {
	Name   string
	Points []Point
}

// Chart is a picture of several lines.
type Chart struct {
	Title, XLabel, YLabel string
	Lines                 []Line
	LogY                  bool // each step up is ten times as much; values of zero and below are left out
}

const (
	width, height            = 860, 420
	left, right, top, bottom = 80, 190, 40, 50
	plotWidth                = width - left - right
	plotHeight               = height - top - bottom
)

var colors = []string{"#d1495b", "#00798c", "#edae49", "#30638e", "#6a994e", "#8f5db7", "#003d5b", "#b56576", "#555555", "#bc8034"}

// WriteSVG draws the chart.
func (c Chart) WriteSVG(w io.Writer) error {
	scale := c.scale()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15">%s</text>`+"\n", left, escape(c.Title))
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", left+plotWidth/2, height-12, escape(c.XLabel))
	fmt.Fprintf(&b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", top+plotHeight/2, escape(c.YLabel))
	for _, v := range scale.xTicks {
		x := scale.x(v)
		fmt.Fprintf(&b, `<path d="M%.1f %d V%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x, top, top+plotHeight, x, top+plotHeight+18, number(v))
	}
	for _, v := range scale.yTicks {
		y := scale.y(v)
		fmt.Fprintf(&b, `<path d="M%d %.1f H%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y, left+plotWidth, left-8, y+4, number(v))
	}
	for i, line := range c.Lines {
		color := colors[i%len(colors)]
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.8" points="%s"/>`+"\n", color, scale.path(line.Points))
		y := top + 10 + 20*i
		fmt.Fprintf(&b, `<path d="M%d %d h18" stroke="%s" stroke-width="3"/><text x="%d" y="%d">%s</text>`+"\n",
			left+plotWidth+14, y, color, left+plotWidth+38, y+4, escape(line.Name))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// scale maps values to the picture.
type scale struct {
	log                    bool
	minX, maxX, minY, maxY float64
	xTicks, yTicks         []float64
}

func (c Chart) scale() scale {
	s := scale{log: c.LogY, minX: math.Inf(1), maxX: math.Inf(-1), minY: math.Inf(1), maxY: math.Inf(-1)}
	for _, line := range c.Lines {
		for _, p := range line.Points {
			if !s.shows(p) {
				continue
			}
			s.minX, s.maxX = min(s.minX, p.X), max(s.maxX, p.X)
			s.minY, s.maxY = min(s.minY, p.Y), max(s.maxY, p.Y)
		}
	}
	if s.minX > s.maxX { // nothing to show
		s.minX, s.maxX, s.minY, s.maxY = 0, 1, 1, 10
	}
	if s.minX == s.maxX {
		s.maxX++
	}
	s.xTicks = ticks(s.minX, s.maxX)
	if s.log {
		s.minY, s.maxY = math.Pow(10, math.Floor(math.Log10(s.minY))), math.Pow(10, math.Ceil(math.Log10(s.maxY)))
		if s.minY == s.maxY {
			s.maxY *= 10
		}
		for v := s.minY; v <= s.maxY*1.001; v *= 10 {
			s.yTicks = append(s.yTicks, v)
		}
		return s
	}
	s.minY = min(s.minY, 0)
	if s.maxY <= s.minY {
		s.maxY = s.minY + 1
	}
	s.yTicks = ticks(s.minY, s.maxY)
	s.maxY = max(s.maxY, s.yTicks[len(s.yTicks)-1])
	return s
}

func (s scale) shows(p Point) bool {
	return !math.IsNaN(p.Y) && !math.IsInf(p.Y, 0) && (!s.log || p.Y > 0)
}

func (s scale) x(v float64) float64 {
	return left + (v-s.minX)/(s.maxX-s.minX)*plotWidth
}

func (s scale) y(v float64) float64 {
	low, high := s.minY, s.maxY
	if s.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	return top + plotHeight - (v-low)/(high-low)*plotHeight
}

func (s scale) path(points []Point) string {
	var b strings.Builder
	for _, p := range points {
		if s.shows(p) {
			fmt.Fprintf(&b, "%.1f,%.1f ", s.x(p.X), s.y(p.Y))
		}
	}
	return strings.TrimSpace(b.String())
}

// ticks are round values that cover the range in about six steps.
func ticks(low, high float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/6)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*factor) <= 7 {
			step *= factor
			break
		}
	}
	var all []float64
	for i := math.Floor(low / step); i*step < high+step*0.999; i++ {
		if v := i * step; v >= low-step*0.001 {
			all = append(all, v)
		}
	}
	if len(all) > 1 && all[len(all)-1] > high+step*0.5 {
		all = all[:len(all)-1]
	}
	return all
}

func number(v float64) string {
	switch {
	case math.Abs(v) >= 1e6:
		return fmt.Sprintf("%gM", math.Round(v/1e3)/1e3)
	case math.Abs(v) >= 1e4:
		return fmt.Sprintf("%gk", math.Round(v/10)/100)
	default:
		return fmt.Sprintf("%g", math.Round(v*1e4)/1e4)
	}
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}
