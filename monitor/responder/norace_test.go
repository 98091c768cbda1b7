//go:build !race

package responder

const flood = 10_000_000
