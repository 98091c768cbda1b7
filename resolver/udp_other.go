//go:build !linux || !(amd64 || arm64 || riscv64)

package resolver

const batched = false

func (l *udpLoop) many() { l.single() }
