//go:build race

package responder

const flood = 500_000
