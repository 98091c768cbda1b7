package web

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
)

// variables reads the colours of a :root block.
func variables(t *testing.T, block string) map[string][3]float64 {
	t.Helper()
	colours := map[string][3]float64{}
	for _, found := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
		var rgb [3]int
		if _, err := fmt.Sscanf(found[2], "%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
			t.Fatal(err)
		}
		colours[found[1]] = [3]float64{float64(rgb[0]) / 255, float64(rgb[1]) / 255, float64(rgb[2]) / 255}
	}
	return colours
}

// contrast is WCAG 2.2's contrast ratio of two sRGB colours, 1 to 21.
func contrast(a, b [3]float64) float64 {
	luminance := func(c [3]float64) float64 {
		for i, v := range c {
			if c[i] = v / 12.92; v > 0.04045 {
				c[i] = math.Pow((v+0.055)/1.055, 2.4)
			}
		}
		return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
	}
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func TestContrastFormula(t *testing.T) {
	for want, pair := range map[float64][2][3]float64{21: {{0, 0, 0}, {1, 1, 1}}, 1: {{1, 0, 0}, {1, 0, 0}}} {
		if got := contrast(pair[0], pair[1]); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: %v, want %v", pair, got, want)
		}
	}
}

// Text stands out from what it stands on by 4.5 at least, and what charts, maps
// and controls are drawn with by 3 (WCAG 2.2, 1.4.3 and 1.4.11, level AA).
func TestContrast(t *testing.T) {
	css, err := embedded.ReadFile("page/style.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(css), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d sets of colours, want light and dark", len(blocks))
	}
	on := map[float64]map[string]string{
		4.5: {
			"ink": "paper card shade hair banner wash", "soft": "paper card shade hair wash", "accent": "paper card shade", "card": "accent",
			"in": "paper card shade", "out": "paper card shade", "resort": "paper card shade", "aside": "paper card shade",
		},
		3: {"accent": "wash hair", "in": "land wash", "out": "land", "resort": "land", "aside": "land", "soft": "card"},
	}
	for i, theme := range []string{"light", "dark"} {
		colours := variables(t, blocks[i][1])
		for least, pairs := range on {
			for front, backs := range pairs {
				for _, back := range strings.Fields(backs) {
					a, ok1 := colours[front]
					b, ok2 := colours[back]
					if got := contrast(a, b); !ok1 || !ok2 || got < least {
						t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", theme, front, back, got, least)
					}
				}
			}
		}
	}
}
