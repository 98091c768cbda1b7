//go:build !linux

package responder

const kernelStamps = false
