//go:build !linux || !(amd64 || arm64 || riscv64)

package precedence

// Hurry does nothing here.
func Hurry() (thread int) { return 0 }

// First does nothing here.
func First(map[int]bool) {}
