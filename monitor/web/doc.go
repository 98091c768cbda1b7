// Package web shows what the monitor knows: pages for people, JSON for
// programs and health endpoints for supervisors, all read-only and safe to
// bind where browsers reach it.
//
//	/                      overview: map, who is not as they should be, by site
//	/members               list; ?q=, site=, verdict=, sort=, down=1, page=
//	/members/NAME          one member, address by address, and why; ?span=3h …
//	/zone                  who is under a name; ?name=europe&from=10.16.0.0/16
//	/node                  own clock, registry, build, reloads, warnings
//	/api/v1/members        JSON array, as `timepool members -o json` prints it
//	/api/v1/members/NAME   the same, one member's addresses (or one address), and the words for each
//	/api/v1/status         the node, as `timepool status -o json` prints it
//	/api/v1/explain        what a client is handed out; ?client=10.16.0.0/16&name=europe
//	/scores/ADDR/log, json checks in the NTP Pool's shapes; ?limit=, since=, monitor=
//	/metrics               for Prometheus; Options.Metrics serves it
//	/healthz               200 while the process answers
//	/readyz                200 once it should be asked and does answer DNS, else 503 and why
//
// Handler keeps nothing: every request reads one View, so a page never mixes
// two generations. Pages need no script and no other origin; templates and
// style are embedded. Charts and the map are SVG, drawn here; every mark differs
// in shape as well as in colour, and every chart has a table. The one script
// refreshes the page in place.
package web
