//go:build linux || darwin

package monitor

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("TIMEPOOL_TEST_CHILD"); mode != "" {
		child(mode, os.Getenv("TIMEPOOL_TEST_FILE"))
		return
	}
	goleak.VerifyTestMain(m)
}
