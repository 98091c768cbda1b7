// Package web shows what the monitor knows: pages for people, JSON for
// programs and health endpoints for supervisors, all read-only and safe to
// bind where browsers reach it.
//
//	/                      overview by site
//	/members/NAME          one member, address by address, and why
//	/api/v1/members        JSON array, as `timepool members -o json` prints it
//	/api/v1/members/NAME   the same, one member's addresses
//	/api/v1/status         the node: serial, generation, who is in, warnings
//	/metrics               for Prometheus; Options.Metrics serves it
//	/healthz               200 while the process answers
//	/readyz                200 once it should be asked, else 503 and why
//
// Handler keeps nothing: every request reads one View, so a page never mixes
// two generations. Pages need no script and no other origin; templates and
// style are embedded.
package web
