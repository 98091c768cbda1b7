package resolver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/timepool/timepool/zones/precedence"
)

// Config is where a Server listens and how much it takes. Zero values take the
// defaults.
type Config struct {
	Listen  []netip.AddrPort // UDP and TCP on each; an IPv6 wildcard takes IPv6 only
	Loops   int              // UDP sockets an address, Linux only; default GOMAXPROCS
	Precede bool             // the kernel lets the UDP loops run before all other threads of the process; Linux only
	TCP     TCPLimits

	TLSListen []netip.AddrPort // DNS over TLS on each, with the same limits as TCP
	TLS       *tls.Config      // for TLSListen

	Limits Limits
	Log    *slog.Logger

	single bool // take UDP packets one by one also where the system gives many at a time
}

// TCPLimits bounds what TCP clients may take (RFC 7766 section 6).
type TCPLimits struct {
	Connections int           // open at once; default 1024
	PerSource   int           // of these from one IPv4 address or IPv6 /64; default 64
	Idle        time.Duration // for the next query to begin, less when many are open; default 10 s
	Transfer    time.Duration // for a query that has begun to come whole, and for replies to be taken; default 5 s
}

// Counters is what a Server did since it was made.
type Counters struct {
	UDP, TCP [Verdicts]uint64 // queries, by Verdict
	Unread   uint64           // receives and accepts that failed
	Unsent   uint64           // replies that could not be sent or were not taken
	Overrun  uint64           // queries that found a UDP socket's receive buffer full; Linux only
	Accepted uint64           // TCP connections taken
	Evicted  uint64           // of these closed for a newcomer, over a limit
	Open     int              // TCP connections now
	Latency  [2]Latency       // UDP, TCP
	OnTrial  uint64           // queries over Limits.Rate that were answered all the same
}

// Server answers DNS queries over UDP and TCP from the snapshot last
// published. Open binds, Run serves.
type Server struct {
	cfg    Config
	seeds  []uint64 // one a lane: the UDP sockets of an address, and TCP
	live   atomic.Pointer[publication]
	addrs  []netip.AddrPort
	udp    []*udpLoop
	tcp    []*tcpLoop
	conns  places
	limits *limits

	copying sync.Mutex
	copied  *Snapshot     // what was last transferred
	told    atomic.Uint64 // serial that secondaries were last told of, and one
	changed chan struct{} // there is one to be told

	publishing     sync.Mutex
	handed         handedOut        // guarded by publishing
	askedBefore    map[Asked]uint64 // the same: under former registries
	opened         atomic.Bool      // what Open binds stands from then on
	firstPanic     sync.Once
	unread, unsent atomic.Uint64
}

// publication is what loops read: a snapshot, and each lane's turns in it.
type publication struct {
	snapshot *Snapshot
	turns    []*Turns
}

// NewServer returns a server that has neither sockets nor goroutines yet.
func NewServer(cfg Config) *Server {
	cfg.Loops = cmp.Or(cfg.Loops, runtime.GOMAXPROCS(0))
	cfg.TCP.Connections = cmp.Or(cfg.TCP.Connections, 1024)
	cfg.TCP.PerSource = cmp.Or(cfg.TCP.PerSource, 64)
	cfg.TCP.Idle = cmp.Or(cfg.TCP.Idle, 10*time.Second)
	cfg.TCP.Transfer = cmp.Or(cfg.TCP.Transfer, 5*time.Second)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if !sharedPorts {
		cfg.Loops = 1
	}
	s := &Server{
		cfg: cfg, handed: handedOut{dealt: map[netip.Addr]float64{}}, askedBefore: map[Asked]uint64{},
		conns: places{limits: cfg.TCP}, limits: newLimits(cfg.Limits), changed: make(chan struct{}, 1),
	}
	for range cfg.Loops + 1 {
		s.seeds = append(s.seeds, rand.Uint64())
	}
	return s
}

// Open binds every address, or none and says which it was and what to do; the
// server is of no more use then. Queries that come before Run wait in the
// sockets.
func (s *Server) Open() (err error) {
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	for _, addr := range s.cfg.Listen {
		udp, tcp, fault := listen(addr, s.cfg.Loops)
		if fault != nil {
			return fault
		}
		for lane, conn := range udp {
			l, fault := s.newLoop(conn, lane)
			if err = errors.Join(err, fault); fault == nil {
				s.udp = append(s.udp, l)
			}
		}
		s.accept(tcp, nil)
		s.addrs = append(s.addrs, tcp.Addr().(interface{ AddrPort() netip.AddrPort }).AddrPort())
		if err != nil {
			return err
		}
	}
	for _, addr := range s.cfg.TLSListen { // RFC 7858
		listener, err := listenTCP(addr)
		if err != nil {
			return explain(addr, "tcp", err)
		}
		s.accept(listener, s.cfg.TLS)
	}
	s.opened.Store(true)
	return nil
}

// accept has Run take the connections of a listener.
func (s *Server) accept(listener *net.TCPListener, tls *tls.Config) {
	s.tcp = append(s.tcp, &tcpLoop{server: s, listener: listener, lane: s.cfg.Loops, tls: tls})
}

// CheckListen tells whether Open would succeed: it binds and closes.
func CheckListen(addrs, overTLS []netip.AddrPort) error {
	s := NewServer(Config{Listen: addrs, TLSListen: overTLS, Loops: 1})
	return errors.Join(s.Open(), s.Close())
}

// Addrs returns the addresses that Open bound, in the order of Config.Listen:
// the port is the same for UDP and TCP.
func (s *Server) Addrs() []netip.AddrPort { return s.addrs }

// Publish makes every query from now on be answered from snapshot. Decks that
// were in the previous one go on where they were. Until the first Publish
// queries get no reply.
func (s *Server) Publish(snapshot *Snapshot) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	next, last := &publication{snapshot: snapshot}, s.live.Load()
	if last != nil {
		s.handed.settle(last)
		if last.snapshot.ground.registry != snapshot.ground.registry {
			last.askedTo(s.askedBefore)
		}
	}
	for lane, seed := range s.seeds {
		var previous *Turns
		if last != nil {
			previous = last.turns[lane]
		}
		next.turns = append(next.turns, newTurns(snapshot, previous, seed))
	}
	s.handed.start(next)
	s.live.Store(next)
	s.announce(snapshot.Serial)
}

// Uses tells where queries came from whose answer hangs on it, and how many
// answers held each address, since the server was made: what is asked while a
// new snapshot is published may be missed.
func (s *Server) Uses() (askers map[Asked]uint64, dealt map[netip.Addr]float64) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	askers = maps.Clone(s.askedBefore)
	if live := s.live.Load(); live != nil {
		live.askedTo(askers)
		s.handed.settle(live)
	}
	return askers, maps.Clone(s.handed.dealt)
}

// Run serves until ctx is done, then closes what Open bound and returns once
// every goroutine has ended. What befalls single packets and connections is
// counted and ends nothing, so the error is always nil.
func (s *Server) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, l := range s.udp {
		running.Go(l.run)
	}
	for _, l := range s.tcp {
		running.Go(func() { l.run(&running) })
	}
	running.Go(func() { s.notify(ctx) })
	if s.cfg.Precede {
		s.precede()
	}
	<-ctx.Done()
	s.stop()
	running.Wait()
	return s.Close()
}

// precede puts the loops that have threads of their own before all others.
func (s *Server) precede() {
	threads := map[int]bool{}
	for _, l := range s.udp {
		if l.file != nil {
			threads[<-l.thread] = true
		}
	}
	if len(threads) > 0 {
		precedence.First(threads)
	}
}

// Close closes every socket. It is for a server that was opened and is not run.
func (s *Server) Close() error {
	s.stop()
	for _, l := range s.udp {
		l.file.Close()
	}
	return nil
}

// stop ends every loop. Sockets that a loop still uses stay open, for their
// numbers could come to mean others.
func (s *Server) stop() {
	for _, l := range s.udp {
		l.stop()
	}
	for _, l := range s.tcp {
		l.listener.Close()
	}
	s.conns.close()
}

// Counters adds up what the loops counted. It may be asked at any time, also
// while the server opens.
func (s *Server) Counters() Counters {
	c := Counters{Unread: s.unread.Load(), Unsent: s.unsent.Load(), OnTrial: s.limits.over.Load()}
	if !s.opened.Load() {
		return c
	}
	for _, l := range s.udp {
		l.tally.addTo(&c.UDP)
		l.took.addTo(&c.Latency[0])
		c.Overrun += overrun(l.socket())
	}
	for _, l := range s.tcp {
		l.tally.addTo(&c.TCP)
		l.took.addTo(&c.Latency[1])
	}
	c.Accepted, c.Evicted, c.Open = s.conns.counted()
	return c
}

// serve appends the reply to msg, and counts. A panic, which would be a bug,
// costs that one packet its reply; the first is logged.
func (s *Server) serve(dst, msg []byte, client netip.Addr, how Transport, lane int, t *tally) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			reply = dst
			t.count(Panicked)
			s.firstPanic.Do(func() {
				s.cfg.Log.Error("a query made the answer panic; further ones are only counted",
					"panic", p, "query", msg, "stack", string(debug.Stack()))
			})
		}
	}()
	how.limits = s.limits
	live := s.live.Load()
	if live == nil {
		t.count(Unready)
		return dst
	}
	reply, verdict := live.snapshot.Answer(dst, msg, client, how, live.turns[lane])
	t.count(verdict)
	return reply
}
