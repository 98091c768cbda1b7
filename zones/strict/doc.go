// Package strict reads the files a person edits. It decodes YAML into Go
// values by struct tags, refuses whatever it does not understand, reports all
// faults at once with line and column in the operator's words, and makes the
// JSON Schema of the same types, so that what an editor accepts and what the
// program accepts cannot drift apart.
//
// What may stand in a file is told by the type decoded into:
//
//	bool                      true, false (not yes, no, on, off)
//	int…, uint…               decimal; no 010, 0x10, 1_000, 4.0
//	float…                    decimal; no .nan, .inf
//	string                    one line of text; a number must be quoted
//	time.Duration             with a unit: 150s, 2h30m; never a bare number
//	netip.Addr                no zone, no ::ffff:10.0.0.1
//	netip.Prefix              masked
//	netip.AddrPort            127.0.0.1:53, "[::1]:53"
//	encoding.TextUnmarshaler  text; its error is shown to the operator
//	slice                     a list
//	struct                    a mapping, see below; not recursive
//	slice of struct           a mapping in file order, when a field of the struct is
//	                          tagged ",key" (and the value goes into the field tagged
//	                          ",value", or else into the remaining fields)
//
// A struct that is a TextUnmarshaler too may be written as text or as a
// mapping. A struct whose fields are tagged ",item" is a list of exactly those; a
// bool beside them tagged ",given" tells whether it was written.
//
// Every exported field carries a yaml tag: `yaml:"name"`, `yaml:"name,required"`
// or `yaml:"-"`. Beside it may stand
//
//	doc:"…"      one sentence for editors
//	default:"…"  the value of a missing scalar, also inside missing structs
//	min:"…"      least number or duration; fewest items of a list, characters of a text
//	max:"…"      the same for most
//	enum:"a b"   the words a text may be
//	pattern:"…"  an expression a text must match, written to mean the same to RE2 and ECMA 262
//	is:"…"       what the pattern says, for people: "a host name"
//	form:"…"     pattern and is of a label, domain, host, target, owner, mailbox or tag
//
// where enum, pattern, is and form on a list speak of its items. Mistakes in tags
// panic: they are the program's, not the operator's.
//
// Not taken, because they make a file mean something else than it seems to:
// unknown and duplicate keys, second documents, anchors, aliases and merge
// keys, explicit tags, text that is not UTF-8.
package strict
