package zones

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// maxChanges bounds what Diff tells.
const maxChanges = 100

// Diff tells in one line each what an edit changed, by the keys of the file:
// "member ntp1.fra: state active → drain", "site tyo: network 10.48.0.0/12 added".
// After a hundred lines it says how many more there are. Files moved about,
// comments and the order of things are no change.
func Diff(old, new *Registry) []string {
	before, after := *old, *new
	before.Pools, after.Pools = old.Pools[min(1, len(old.Pools)):], new.Pools[min(1, len(new.Pools)):] // the whole pool's values are the zone's
	before.Records, after.Records = nil, nil                                                           // one by one, whichever block they are in
	lines := compare(nil, "", reflect.ValueOf(before), reflect.ValueOf(after))
	lines = set(lines, "record", recordTexts(old), recordTexts(new))
	if n := len(lines) - maxChanges; n > 0 {
		lines = append(lines[:maxChanges], fmt.Sprintf("and %d more changes", n))
	}
	return lines
}

// recordTexts are the records as they stand in DNS.
func recordTexts(r *Registry) (lines []string) {
	for i := range r.Records {
		for _, rr := range r.Records[i].RRs() {
			lines = append(lines, fmt.Sprintf("%s %v %s", r.Records[i].Name, r.Records[i].TTL, rr))
		}
	}
	return lines
}

// teller is a struct that is told as a whole, "" for none.
type teller interface{ told() string }

// compare tells how what is called name changed: a struct field by field, structs
// that begin with a name one by one, a list as a set, else the value.
func compare(lines []string, name string, old, new reflect.Value) []string {
	t := old.Type()
	_, whole := old.Interface().(teller)
	switch {
	case t.Kind() == reflect.Struct && !whole:
		for i := range t.NumField() {
			key, option, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			switch key = cmp.Or(t.Field(i).Tag.Get("diff"), key); {
			case option == "value": // in its order
				lines = became(lines, name+":", old.Field(i), new.Field(i))
			case key != "" && key != "-":
				lines = compare(lines, strings.TrimPrefix(name+": "+key, ": "), old.Field(i), new.Field(i))
			}
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t.Elem().Field(0).Type.Kind() == reflect.String:
		was := make(map[string]reflect.Value)
		for _, o := range old.Seq2() {
			was[o.Field(0).String()] = o
		}
		for _, n := range new.Seq2() {
			name, o := one(name)+" "+n.Field(0).String(), was[n.Field(0).String()]
			delete(was, n.Field(0).String())
			if o.IsValid() {
				lines = compare(lines, name, o, n)
			} else {
				lines = append(lines, name+" added")
			}
		}
		for _, gone := range slices.Sorted(maps.Keys(was)) {
			lines = append(lines, one(name)+" "+gone+" removed")
		}
	case t.Kind() == reflect.Slice:
		lines = set(lines, one(name), values(old), values(new))
	default:
		lines = became(lines, name, old, new)
	}
	return lines
}

// set tells what is in one list and not in the other.
func set(lines []string, name string, was, is []string) []string {
	for _, side := range []struct {
		here, there []string
		change      string
	}{{is, was, " added"}, {was, is, " removed"}} {
		there := make(map[string]bool, len(side.there))
		for _, x := range side.there {
			there[x] = true
		}
		for _, x := range side.here {
			if !there[x] {
				lines = append(lines, name+" "+x+side.change)
			}
		}
	}
	return lines
}

func became(lines []string, name string, old, new reflect.Value) []string {
	was, is := strings.Join(values(old), ", "), strings.Join(values(new), ", ")
	if was == is {
		return lines
	}
	return append(lines, fmt.Sprintf("%s %s → %s", name, cmp.Or(was, "none"), cmp.Or(is, "none")))
}

// one is the key of a list as its items are called: networks, network.
func one(key string) string {
	if stem, ok := strings.CutSuffix(key, "sses"); ok {
		return stem + "ss"
	}
	return strings.TrimSuffix(key, "s")
}

// values are the items of a list, or the one that is none.
func values(v reflect.Value) (all []string) {
	if x, ok := v.Interface().(teller); ok {
		return []string{x.told()}
	}
	if v.Kind() != reflect.Slice {
		return []string{fmt.Sprint(v.Interface())}
	}
	for _, item := range v.Seq2() {
		all = append(all, fmt.Sprint(item.Interface()))
	}
	return all
}

// Losses tells which sites the edit would cost more than half of the addresses
// they are served by: eligible says which addresses are handed out now, and
// one is lost when new has no active member with a netspeed for it. It goes by
// address, so renaming a member or a site, or moving members between sites,
// loses nothing. Members without a site count as one. It is empty when no site
// loses as much; an edit that costs more should be asked for twice.
func Losses(old, new *Registry, eligible func(netip.Addr) bool) []string {
	served := func(m *Member) bool { return m.State == Active && m.Netspeed > 0 }
	kept := make(map[netip.Addr]bool)
	for i := range new.Members {
		if m := &new.Members[i]; served(m) {
			for _, a := range m.Addresses {
				kept[a] = true
			}
		}
	}
	had, lost := make(map[string]int), make(map[string]int)
	for i := range old.Members {
		m := &old.Members[i]
		for _, a := range m.Addresses {
			if served(m) && eligible(a) {
				had[m.Site]++
				if !kept[a] {
					lost[m.Site]++
				}
			}
		}
	}
	var lines []string
	for _, site := range slices.Sorted(maps.Keys(lost)) {
		if 2*lost[site] <= had[site] {
			continue
		}
		name := "site " + site
		if site == "" {
			name = "members without a site"
		}
		lines = append(lines, fmt.Sprintf("%s would lose %d of %d eligible addresses", name, lost[site], had[site]))
	}
	return lines
}
