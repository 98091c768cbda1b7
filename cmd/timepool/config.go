package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones/strict"
)

// Config is the node file: what this process does. What the pool is stands in
// the registry, which is the same on every node.
type Config struct {
	Vantage    string        `yaml:"vantage" doc:"Name of the place this node probes from; the host's name unless given."`
	Data       string        `yaml:"data" default:"/var/lib/timepool" doc:"Folder for scores and history. Made when missing."`
	Registry   string        `yaml:"registry" default:"/etc/timepool/pool.yaml" doc:"The pool.yaml; members.d beside it is read as well."`
	DNS        DNSConfig     `yaml:"dns" doc:"The name server."`
	HTTP       HTTPConfig    `yaml:"http" doc:"The pages and the API."`
	Socket     string        `yaml:"socket" default:"/run/timepool/timepool.sock" doc:"Unix socket over which the command line talks to this node."`
	GeoIP      string        `yaml:"geoip" doc:"MMDB file (City or Country) that places clients outside the registry's networks."`
	Probe      ProbeConfig   `yaml:"probe" doc:"How members are measured."`
	References []netip.Addr  `yaml:"references" max:"16" doc:"NTP servers whose word on this node's clock counts, checked like members: each is to be within 10 ms. Left out, the members vote."`
	LeapFile   string        `yaml:"leap_file" doc:"A leap-seconds.list (Debian: /usr/share/zoneinfo/leap-seconds.list): members that smear a leap second are judged by smeared time on that day. Not where this node's own clock smears."`
	History    HistoryConfig `yaml:"history" doc:"How long the past is kept."`
	Log        LogConfig     `yaml:"log" doc:"What is said on standard error."`

	// own tells which member addresses are this host's, whose clock cannot
	// vouch for itself; nil asks the interfaces. The demonstration's members
	// stand for other hosts.
	own func(netip.Addr) bool
}

// DNSConfig says where queries are answered, and what the server tells of itself.
type DNSConfig struct {
	Listen         []netip.AddrPort `yaml:"listen" min:"1" doc:"Addresses and ports for UDP and TCP; port 53 of every address unless given."`
	TCPConnections int              `yaml:"tcp_connections" default:"1024" min:"1" max:"65536" doc:"TCP connections held at once, TLS included; a newcomer beyond takes the place of the longest idle."`
	TLS            DNSTLSConfig     `yaml:"tls" doc:"DNS over TLS (RFC 7858)."`
	Allow          []netip.Prefix   `yaml:"allow" doc:"Networks that are answered, and nobody else: others get REFUSED. Of allow and deny the longer network decides."`
	Deny           []netip.Prefix   `yaml:"deny" doc:"Networks that get no reply."`
	RateLimit      RateLimitConfig  `yaml:"rate_limit" doc:"How often a client is answered over UDP, so that forged queries make nobody a victim."`
	Identity       string           `yaml:"identity" max:"128" doc:"Which server this is: NSID, and TXT hostname.bind and id.server in class CH; the host's name unless given."`
	Version        string           `yaml:"version" max:"128" doc:"TXT version.bind and version.server in class CH; timepool and its version unless given."`
	Hide           bool             `yaml:"hide" doc:"Refuses these names of class CH."`
	Transfer       TransferConfig   `yaml:"transfer" doc:"Copies of the zone for secondaries of another make (AXFR, NOTIFY); nobody may have one unless given."`
	CookieSecrets  string           `yaml:"cookie_secrets" doc:"File of DNS cookie secrets: the active one and, while it is rolled over, one more; 32 hexadecimal digits a line. One for this process alone unless given."`
}

// TransferConfig says who may copy the zone, and who is told of changes.
type TransferConfig struct {
	Keys     []KeyConfig       `yaml:"keys" doc:"TSIG keys by name: who signs with one may copy the zone."`
	Networks []netip.Prefix    `yaml:"networks" doc:"Who may copy it unsigned."`
	Notify   []SecondaryConfig `yaml:"notify" doc:"Name servers that are told when the zone changed."`
}

// KeyConfig is a TSIG key.
type KeyConfig struct {
	Name      string `yaml:",key" max:"253" form:"host"`
	Algorithm string `yaml:"algorithm" default:"hmac-sha256" enum:"hmac-sha256 hmac-sha384 hmac-sha512" doc:"The hash."`
	File      string `yaml:"file,required" doc:"File with the secret in base64, 16 octets or more, as tsig-keygen prints it."`
}

// SecondaryConfig is a name server that is told of changes.
type SecondaryConfig struct {
	To  netip.AddrPort `yaml:"to,required" doc:"Its address and port."`
	Key string         `yaml:"key" doc:"One of keys, to sign with; unsigned unless given."`
}

// RateLimitConfig says how often a client is answered over UDP.
type RateLimitConfig struct {
	Off    bool           `yaml:"off" doc:"No limit."`
	Rate   int            `yaml:"rate" default:"1000" min:"1" max:"1000000" doc:"Replies a second to one address; 8 times as many to an IPv4 /24 and an IPv6 /56, 32 times to an IPv4 /20 and an IPv6 /48, 4 times to an IPv6 /64."`
	Burst  int            `yaml:"burst" default:"20000" min:"1" max:"10000000" doc:"Replies at once."`
	Slip   int            `yaml:"slip" default:"2" min:"0" max:"100" doc:"One in so many queries over the limit is told to come again over TCP, or with a cookie; 0: none is."`
	Exempt []netip.Prefix `yaml:"exempt" doc:"Networks that are never limited; loopback unless given. Nor is a client with a DNS cookie, or over TCP."`
	DryRun bool           `yaml:"dry_run" doc:"Only count what would be limited."`
}

// limits is what the resolver makes of it.
func (c *DNSConfig) limits() resolver.Limits {
	r := c.RateLimit
	l := resolver.Limits{
		Allow: c.Allow, Deny: c.Deny, Rate: r.Rate, Burst: r.Burst, Slip: r.Slip, Exempt: r.Exempt, OnTrial: r.DryRun,
	}
	if r.Off {
		l.Rate = -1
	}
	if r.Slip == 0 {
		l.Slip = -1
	}
	return l
}

// HTTPConfig says where pages are served.
type HTTPConfig struct {
	Off    bool           `yaml:"off" doc:"No pages."`
	Listen netip.AddrPort `yaml:"listen" default:"127.0.0.1:8053" doc:"Address and port; loopback unless a proxy stands in front."`
	Hosts  []string       `yaml:"hosts" doc:"Host names a browser may use for it, besides IP addresses and localhost."`
	TLS    TLSConfig      `yaml:"tls" doc:"Serve HTTPS with this certificate; plain HTTP unless given."`
	Token  string         `yaml:"token_file" doc:"File with a word of 16 characters or more; who knows it may do over HTTPS what the unix socket allows. Nobody may unless given."`

	MemberTokens string `yaml:"member_tokens" doc:"File of lines 'member token', 16 characters or more: the members whose responders may ask over HTTPS whether they are drained with --active. None unless given."`
}

// TLSConfig names a certificate. Both files are read again when they change; a
// pair that does not fit leaves the former in force.
type TLSConfig struct {
	Cert string `yaml:"cert" doc:"PEM file: the certificate and those between it and the root."`
	Key  string `yaml:"key" doc:"PEM file: its private key."`
}

// DNSTLSConfig says where DNS over TLS is answered.
type DNSTLSConfig struct {
	Listen []netip.AddrPort `yaml:"listen" doc:"Addresses and ports, such as 0.0.0.0:853; nowhere unless given."`
	Cert   string           `yaml:"cert" doc:"PEM file: the certificate and those between it and the root."`
	Key    string           `yaml:"key" doc:"PEM file: its private key. Both are read again when they change."`
}

// ProbeConfig says how members are measured.
type ProbeConfig struct {
	Interval  time.Duration  `yaml:"interval" default:"64s" min:"100ms" max:"1h" doc:"Time between two checks of one address."`
	Samples   int            `yaml:"samples" default:"3" min:"1" max:"8" doc:"Exchanges in one check; the one with the lowest round trip counts."`
	Gap       time.Duration  `yaml:"gap" default:"2s" min:"0s" max:"1m" doc:"Time between two exchanges of one check."`
	Timeout   time.Duration  `yaml:"timeout" default:"3s" min:"10ms" max:"1m" doc:"How long to wait for each answer."`
	Port      uint16         `yaml:"port" default:"123" min:"1" doc:"UDP port of the members."`
	Parallel  int            `yaml:"parallel" default:"64" min:"1" max:"4096" doc:"Exchanges under way at once."`
	Rate      int            `yaml:"rate" min:"1" max:"1000000" doc:"The most exchanges begun in a second; unbounded unless given."`
	Interface string         `yaml:"interface" max:"15" doc:"Linux only: the network interface to probe through, whatever the routing table says."`
	Source    []netip.Addr   `yaml:"source" max:"2" doc:"Local addresses to probe from: at most one IPv4 and one IPv6."`
	Map       []ProbeMapping `yaml:"map" doc:"Sends the probes of one member address to another address and port; for demonstrations and tests."`
}

// ProbeMapping sends the probes of one member address elsewhere.
type ProbeMapping struct {
	Address netip.Addr     `yaml:",key"`
	To      netip.AddrPort `yaml:",value"`
}

// HistoryConfig says how long the past is kept, in the data folder.
type HistoryConfig struct {
	Keep       time.Duration `yaml:"keep" default:"720h" min:"24h" max:"8784h" doc:"How long every check is kept."`
	KeepRolled time.Duration `yaml:"keep_rolled" default:"17520h" min:"24h" max:"87840h" doc:"How long the least, the mean and the most of ten minutes are kept."`
	MaxSize    int           `yaml:"max_size" default:"1024" min:"16" max:"1048576" doc:"How large the file may be, in MiB; before it is larger the oldest days go."`
}

// LogConfig says what is logged.
type LogConfig struct {
	Level  string `yaml:"level" default:"info" enum:"debug info warn error" doc:"The least important level that is printed."`
	Format string `yaml:"format" default:"text" enum:"text json" doc:"One line of key=value pairs, or of JSON."`
}

// defaultConfig is what holds where the node file says nothing.
func defaultConfig() Config {
	var c Config
	strict.Decode("", []byte("{}"), &c)
	c.complete()
	return c
}

// complete fills in what has no fixed default.
func (c *Config) complete() {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "local"
	}
	c.Vantage = cmp.Or(c.Vantage, host)
	c.DNS.Identity = cmp.Or(c.DNS.Identity, host)
	c.DNS.Version = cmp.Or(c.DNS.Version, "timepool "+buildVersion())
	if len(c.DNS.Listen) == 0 {
		c.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:53"), netip.MustParseAddrPort("[::]:53")}
	}
}

// loadConfig reads the node file. Relative paths in it are relative to its
// folder, so that a folder can be moved as a whole.
func loadConfig(path string) (Config, error) {
	var c Config
	content, err := os.ReadFile(path)
	if err != nil {
		return c, fail(exitInvalid, fmt.Errorf("node file: %w (name another with --config)", err))
	}
	doc := strict.Decode(path, content, &c)
	if s := c.Probe.Source; len(s) == 2 && s[0].Is4() == s[1].Is4() {
		doc.Fault("wants at most one IPv4 and one IPv6 address", "probe", "source")
	}
	if t := c.DNS.TLS; len(t.Listen) > 0 && (t.Cert == "" || t.Key == "") {
		doc.Fault("wants cert and key", "dns", "tls")
	}
	if t := c.HTTP.TLS; (t.Cert == "") != (t.Key == "") {
		doc.Fault("wants both cert and key", "http", "tls")
	}
	if c.HTTP.Token != "" && c.HTTP.TLS.Cert == "" {
		doc.Fault("wants http.tls: the token must not pass in the clear", "http", "token_file")
	}
	if c.HTTP.MemberTokens != "" && c.HTTP.TLS.Cert == "" {
		doc.Fault("wants http.tls: the tokens must not pass in the clear", "http", "member_tokens")
	}
	for i, s := range c.DNS.Transfer.Notify {
		if s.Key != "" && !slices.ContainsFunc(c.DNS.Transfer.Keys, func(k KeyConfig) bool { return k.Name == s.Key }) {
			doc.Fault("no key "+strict.Quote(s.Key)+" in keys", "dns", "transfer", "notify", i, "key")
		}
	}
	if err := doc.Err(); err != nil {
		return c, fail(exitInvalid, err)
	}
	c.complete()
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return c, fmt.Errorf("node file: %w", err)
	}
	for _, p := range append(c.files(), &c.Data, &c.Socket, &c.HTTP.Token, &c.HTTP.MemberTokens) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
	return c, nil
}

// files are those that inputs are read from, "" for one that is not named.
func (c *Config) files() []*string {
	paths := []*string{&c.Registry, &c.GeoIP, &c.LeapFile, &c.DNS.CookieSecrets, &c.DNS.TLS.Cert, &c.DNS.TLS.Key, &c.HTTP.TLS.Cert, &c.HTTP.TLS.Key}
	for i := range c.DNS.Transfer.Keys {
		paths = append(paths, &c.DNS.Transfer.Keys[i].File)
	}
	return paths
}
