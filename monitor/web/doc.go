// Package web shows what the monitor knows: score pages, JSON and health
// endpoints, all read-only and safe to bind where browsers reach it.
package web
