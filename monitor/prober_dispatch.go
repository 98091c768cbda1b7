package monitor

import (
	"container/heap"
	"context"
	"time"
)

// open schedules what was watched before Run and opens the first round.
func (p *Prober) open(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = true
	p.pending = 1 // held until all are counted
	for _, t := range p.targets {
		p.begin(t, now)
		if t.due.Sub(now) <= p.Interval {
			t.round = true
			p.pending++
		}
	}
	p.finished(&target{round: true})
}

// begin schedules the first check of a target.
func (p *Prober) begin(t *target, now time.Time) {
	var last Row
	if p.Last != nil {
		last, _ = p.Last(t.addr)
	}
	if last.Kiss != "" {
		t.held = backoff(0, p.Interval, last.Sample)
	}
	t.pace = paceOf(p.Interval, p.Samples, t.held, last)
	switch {
	case t.pace.held:
		past := min(max(now.Sub(last.Time), 0), t.held)
		t.due = now.Add(t.held - past)
	case p.Eager:
		t.due = t.phase.slot(min(earningPeriod, p.Interval), now)
	default:
		t.due = t.phase.slot(t.pace.period, now)
	}
	p.push(t)
}

// batch is how long what is due may wait for what is due soon after. To wake up, and
// the runtime's threads with it, costs more than an exchange does.
const batch = 20 * time.Millisecond

// rateBurst is how far Prober.Rate may be made up for: timers are late.
const rateBurst = batch + 10*time.Millisecond

// dispatch hands due targets to the workers until ctx ends. When all of them
// are busy it waits, and everybody becomes a little late in turn.
func (p *Prober) dispatch(ctx context.Context, work chan<- *target) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time // no exchange begins before it
	for {
		now := time.Now()
		var t *target
		wait := next.Sub(now)
		if wait <= 0 {
			t, wait = p.take(now)
		}
		if t != nil {
			if p.Rate > 0 {
				next = later(next, now.Add(-rateBurst)).Add(time.Second / time.Duration(p.Rate))
			}
			select {
			case work <- t:
			case <-ctx.Done():
				return
			}
			continue
		}
		timer.Reset(now.Add(wait + batch - 1).Truncate(batch).Sub(now))
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
			return
		}
	}
}

// Lag returns how late the check is that is due next, 0 when it is not: whether
// Parallel and Rate are enough for as many as are watched.
func (p *Prober) Lag() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return 0
	}
	return max(0, time.Since(p.queue[0].due))
}

// take removes and returns the target that is due, or says how long to wait.
func (p *Prober) take(now time.Time) (*target, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 {
		t := p.queue[0]
		if wait := t.due.Sub(now); wait > 0 {
			return nil, wait
		}
		if p.skip(t, now) {
			heap.Fix(&p.queue, 0)
			continue
		}
		heap.Pop(&p.queue)
		if !t.gone {
			return t, 0
		}
		delete(p.targets, t.addr)
	}
	return nil, time.Hour
}

// skip moves a check that is late by half its period (the process was stopped,
// or there is more to ask than Parallel allows) to its next slot, so that what
// piled up does not go out in one burst. It happens to nobody twice in a row.
func (p *Prober) skip(t *target, now time.Time) bool {
	if t.gone || t.round || t.skipped || t.check.tries > 0 || now.Sub(t.due) <= t.pace.period/2 {
		return false
	}
	t.due, t.skipped = t.phase.slot(t.pace.period, now), true
	p.late++
	if now.Sub(p.lateSaid) >= time.Minute {
		p.Log.Warn("checks left out: probing was late by half an interval", "checks", p.late, "parallel", p.Parallel)
		p.late, p.lateSaid = 0, now
	}
	return true
}

// probe does one exchange with a target and puts it back into the schedule.
func (p *Prober) probe(ctx context.Context, t *target) {
	start := time.Now()
	if t.check.tries == 0 {
		t.start, t.skipped = start, false
	}
	s := p.ask(ctx, t.addr)
	if ctx.Err() != nil {
		return
	}
	if !t.check.add(s) && t.check.tries < t.pace.samples {
		t.due = start.Add(p.Gap)
		p.put(t, false)
		return
	}
	end := time.Now()
	s = t.check.sample(t.addr, p.Vantage, end)
	t.check = tally{}
	var r Row
	if p.watched(t) {
		r = p.Record(s)
	}
	p.settle(t, s, r, end)
	p.put(t, true)
}

// settle sets pace and time of a target's next check.
func (p *Prober) settle(t *target, s Sample, r Row, end time.Time) {
	held := backoff(t.held, p.Interval, s)
	if held != t.held {
		p.Log.Info("kiss code back-off", "address", t.addr, "kiss", s.Kiss, "every", max(held, p.Interval))
	}
	t.held = held
	t.pace = paceOf(p.Interval, p.Samples, held, r)
	t.due = t.phase.due(t.pace, p.Gap, t.start, end)
}

func (p *Prober) watched(t *target) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !t.gone
}

// put gives a target back to the schedule, or forgets it.
func (p *Prober) put(t *target, checked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.gone {
		delete(p.targets, t.addr)
		return
	}
	if checked {
		p.finished(t)
	}
	p.push(t)
}

// finished takes a target out of the first round.
func (p *Prober) finished(t *target) {
	if !t.round {
		return
	}
	t.round = false
	if p.pending--; p.pending == 0 {
		close(p.rounded)
	}
}

// push adds a target to the heap and wakes the dispatcher when it is the next.
func (p *Prober) push(t *target) {
	heap.Push(&p.queue, t)
	if p.queue[0] == t {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// queue is a heap of targets by due time.
type queue []*target

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*target)) }
func (q *queue) Pop() any {
	old := *q
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return t
}
