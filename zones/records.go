package zones

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Record is what stands beside the pool at one name, with one TTL. It holds
// below every apex.
type Record struct {
	Name      string        `yaml:"name,required" max:"253" form:"owner" doc:"Relative to the zone: www, _ntp._udp; @ is the zone itself, *.lab every name below lab that is not there."`
	TTL       time.Duration `yaml:"ttl" default:"1h" min:"1s" max:"168h" doc:"How long resolvers may keep it, in whole seconds."`
	Addresses []netip.Addr  `yaml:"addresses" min:"1" max:"64" doc:"A and AAAA records. Not of names of the pool, which are its members'."`
	CNAME     string        `yaml:"cname" max:"253" form:"host" doc:"The name that this is another name for, in full. Nothing else may stand beside it."`
	TXT       []string      `yaml:"txt" min:"1" max:"64" doc:"Texts, as long as you like."`
	MX        []MX          `yaml:"mx" min:"1" max:"64" doc:"Who takes mail; [{host: .}] for nobody (RFC 7505)."`
	SRV       []SRV         `yaml:"srv" min:"1" max:"64" doc:"Where a service is (RFC 2782)."`
	CAA       []CAA         `yaml:"caa" min:"1" max:"64" doc:"Who may issue certificates (RFC 8659)."`
	PTR       []string      `yaml:"ptr" min:"1" max:"64" form:"host" doc:"Names pointed to, in full."`
}

// MX is one mail exchange (RFC 1035 section 3.3.9).
type MX struct {
	Preference uint16 `yaml:"preference" doc:"The lowest is tried first."`
	Host       string `yaml:"host,required" max:"253" form:"target" doc:"In full; a dot alone says that nobody takes mail."`
}

// SRV is one place of a service (RFC 2782).
type SRV struct {
	Priority uint16 `yaml:"priority" doc:"The lowest is tried first."`
	Weight   uint16 `yaml:"weight" doc:"Share among those of one priority."`
	Port     uint16 `yaml:"port,required" doc:"UDP or TCP port."`
	Target   string `yaml:"target,required" max:"253" form:"target" doc:"In full; a dot alone says that there is no such service."`
}

// CAA is one property (RFC 8659 section 4).
type CAA struct {
	Tag      string `yaml:"tag,required" pattern:"^[a-z0-9]{1,15}$" is:"a property such as issue, issuewild or iodef" doc:"issue, issuewild, iodef …"`
	Value    string `yaml:"value,required" max:"1000" doc:"The issuer, a semicolon for none, or where to report."`
	Critical bool   `yaml:"critical" doc:"Whoever does not know the tag may not issue."`
}

// Delegation is a name below the zone that other name servers answer for, and
// all that is below it.
type Delegation struct {
	Name        string        `yaml:",key" max:"253" form:"host"`
	TTL         time.Duration `yaml:"ttl" default:"1h" min:"1s" max:"168h" doc:"Of NS, glue and DS, in whole seconds."`
	Nameservers []Nameserver  `yaml:"nameservers,required" min:"1" max:"13" doc:"Those below the delegated name with their addresses (glue), others with []."`
	DS          []DS          `yaml:"ds" min:"1" max:"16" pattern:"^[0-9]{1,5} [0-9]{1,3} [124] [0-9A-Fa-f ]+$" is:"a DS record as dnssec-dsfromkey prints it behind IN DS: 12345 13 2 49FD…" doc:"Keys of the delegated zone: tag, algorithm, digest type and digest."`
}

// DS is a DS record's data as written (RFC 4034 section 5.3): the digest has the
// length of its type.
type DS string

// UnmarshalText takes "tag algorithm type digest".
func (d *DS) UnmarshalText(text []byte) error {
	var tag uint16
	var algorithm, kind uint8
	if _, err := fmt.Sscan(string(text), &tag, &algorithm, &kind); err != nil {
		return errors.New("wants a key tag up to 65535, an algorithm up to 255, a digest type and a digest")
	}
	want := map[uint8]int{1: 40, 2: 64, 4: 96}[kind]
	if have := len(strings.Join(strings.Fields(string(text))[3:], "")); have != want {
		return fmt.Errorf("a digest of type %d has %d hex digits, this one %d", kind, want, have)
	}
	*d = DS(text)
	return nil
}

// String is the data as a zone file writes it.
func (d DS) String() string { return string(d) }

// RRs returns the records as a zone file writes type and data (RFC 1035 section
// 5.1): "MX 10 mail.example.org.". Those of one type stand together.
func (r *Record) RRs() (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, a := range r.Addresses {
		if a.Is4() {
			add("A %s", a)
		}
	}
	for _, a := range r.Addresses {
		if a.Is6() {
			add("AAAA %s", a)
		}
	}
	if r.CNAME != "" {
		add("CNAME %s.", r.CNAME)
	}
	for _, t := range r.TXT {
		line := "TXT "
		for ; len(t) > 255; t = t[255:] { // octets of one character string
			line += quoted(t[:255]) + " "
		}
		add("%s", line+quoted(t))
	}
	for _, m := range r.MX {
		add("MX %d %s", m.Preference, fqdn(m.Host))
	}
	for _, s := range r.SRV {
		add("SRV %d %d %d %s", s.Priority, s.Weight, s.Port, fqdn(s.Target))
	}
	for _, c := range r.CAA {
		flags := 0
		if c.Critical {
			flags = 128
		}
		add("CAA %d %s %s", flags, c.Tag, quoted(c.Value))
	}
	for _, p := range r.PTR {
		add("PTR %s.", p)
	}
	return lines
}

// quoted writes a character string; octets beyond ASCII as \DDD.
func quoted(s string) string {
	b := []byte{'"'}
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~':
			b = fmt.Appendf(b, `\%03d`, c)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

func fqdn(name string) string { return strings.TrimSuffix(name, ".") + "." }
