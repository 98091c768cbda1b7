package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/zones"
)

// overrideVerbs are the commands, what each wants of the member, and for those
// that lift an override, which.
var overrideVerbs = []struct {
	verb, short  string
	state, lifts zones.State
}{
	{"drain", "Take a member out of new answers of this node; it is still probed", zones.Drain, zones.Active},
	{"undrain", "Lift the drain of a member", zones.Active, zones.Drain},
	{"off", "Take a member out of new answers of this node and do not probe it", zones.Off, zones.Active},
	{"on", "Lift the off of a member", zones.Active, zones.Off},
}

func (a *app) overrideCommands() (commands []*cobra.Command) {
	for _, v := range overrideVerbs {
		var reason, until string
		var active, force bool
		c := command(v.verb+" MEMBER --reason TEXT", v.short, cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			q := url.Values{"member": args, "reason": {reason}, "active": {strconv.FormatBool(active)}, "force": {strconv.FormatBool(force)}}
			if until != "" {
				end, err := parseTime(until, time.Now(), 1)
				if err != nil {
					return fail(exitUsage, err)
				}
				q.Set("until", end.Format(time.RFC3339Nano))
			}
			return askAndShow(ctx, a, "POST", v.verb+"?"+q.Encode(), func(o zones.Override) []string { return []string{overrideLine(o)} })
		})
		c.Flags().StringVar(&reason, "reason", "", "why, for people: a ticket, say")
		c.MarkFlagRequired("reason")
		if v.state != zones.Active {
			c.Flags().BoolVar(&force, "force", false, "even if that takes its site below the floor")
			c.Flags().StringVar(&until, "until", "", "when it ends by itself: 2h, 2026-12-01 17:30 in local time, or RFC 3339")
		}
		if v.state == zones.Drain {
			c.Flags().BoolVar(&active, "active", false, "have its own responder tell clients to leave, too; for 24h at most")
		}
		commands = append(commands, c)
	}
	return append(commands, a.overridesCommand())
}

// parseTime reads a time, or a duration from now on; before now where direction is −1.
func parseTime(text string, now time.Time, direction time.Duration) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(direction * d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return now, fmt.Errorf("time %q: wants a duration such as 2h, 2026-12-01 17:30 in local time, or RFC 3339", text)
}

// overrideLine tells one override: "ntp1.fra drain by root (uid 0) since … until …: CHG-4711".
func overrideLine(o zones.Override) string {
	state := o.State.String()
	if o.State == zones.Active {
		state = "override lifted"
	}
	if o.Active {
		state += ", actively,"
	}
	line := fmt.Sprintf("%s: %s by %s at %s", o.Member, state, o.By, o.At.Local().Format("2006-01-02 15:04:05 MST"))
	if !o.Until.IsZero() {
		line += " until " + o.Until.Local().Format("2006-01-02 15:04 MST")
	}
	return line + ": " + o.Reason
}

func (a *app) overridesCommand() *cobra.Command {
	return command("overrides", "List who drained or switched off what, when and why, lifted ones too", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		return askAndShow(ctx, a, "GET", "overrides", func(record []overrideView) (lines []string) {
			for _, o := range record {
				lines = append(lines, overrideLine(o.Override)+o.Asked.line())
			}
			return lines
		})
	})
}

// handleOverride answers POST drain?member=…&reason=…&until=… and its like.
func (n *node) handleOverride(state, lifts zones.State) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o := zones.Override{Member: r.FormValue("member"), State: state, Reason: r.FormValue("reason"), By: peerOf(r.Context()), At: time.Now().UTC().Round(0)}
		var err error
		if until := r.FormValue("until"); until != "" {
			if o.Until, err = time.Parse(time.RFC3339, until); err != nil {
				err = fmt.Errorf("until: %w", err)
			}
		}
		active, _ := strconv.ParseBool(r.FormValue("active"))
		force, _ := strconv.ParseBool(r.FormValue("force"))
		if o.Active = active && state == zones.Drain; err == nil && o.Active {
			err = n.mayAnnounce(&o)
		}
		if err == nil && !n.inLoop(r.Context(), func() { err = n.override(o, lifts, force) }) {
			err = errors.New("the node is ending")
		}
		if err != nil {
			refuse(w, http.StatusConflict, err.Error())
			return
		}
		reply(w, o)
	}
}

// keepsFloor refuses what would take a site below the zone's floor: its clients
// would be sent to other sites from then on. Of an active drain those that have
// the member leave at once, so that it is refused also where the site is below
// the floor already. A member that is not in now, nobody misses.
func (n *node) keepsFloor(o *zones.Override) error {
	current := n.inForce.Load().registry
	in := func(m *zones.Member) bool {
		return m.State == zones.Active && slices.ContainsFunc(m.Addresses, n.eligible)
	}
	i := slices.IndexFunc(current.Members, func(m zones.Member) bool { return m.Name == o.Member })
	if o.State == zones.Active || i < 0 || !o.Active && !in(&current.Members[i]) {
		return nil
	}
	stay, floor := 0, current.Zone.Floor
	for j := range current.Members {
		if m := &current.Members[j]; j != i && m.Site == current.Members[i].Site && in(m) {
			stay++
		}
	}
	if stay+1 == floor || o.Active && stay < floor {
		return fmt.Errorf("site %s would keep %d members in, fewer than the floor of %d: clients would go to those, or to other sites (--force does it)", current.Members[i].Site, stay, floor)
	}
	return nil
}

// override keeps o and puts it in force. Only the publish loop calls it.
func (n *node) override(o zones.Override, lifts zones.State, force bool) error {
	next := *n.inForce.Load()
	named := func(m zones.Member) bool { return m.Name == o.Member }
	i := slices.IndexFunc(next.base.Members, named)
	current := zones.Current(next.record, o.At)
	switch {
	case n.history == nil:
		return errors.New("static: nothing is kept, so there are no overrides")
	case i < 0:
		return fmt.Errorf("member %s: the registry has none of that name", o.Member)
	case o.Reason == "":
		return errors.New("an override wants a reason")
	case !o.Until.IsZero() && !o.Until.After(o.At):
		return errors.New("until: wants a time to come")
	case lifts != zones.Active && !slices.ContainsFunc(current, func(c zones.Override) bool { return c.Member == o.Member && c.State == lifts }):
		return fmt.Errorf("member %s: no %s to lift by command; the registry has it %s", o.Member, lifts, next.base.Members[i].State)
	}
	if err := n.keepsFloor(&o); err != nil && !force {
		return err
	}
	if err := n.history.PutOverride(o); err != nil {
		return err
	}
	n.log.Info("override", "says", overrideLine(o))
	next.record = append(slices.Clip(next.record), o)
	next.registry = nil
	return n.publish(next)
}
